"""The error of every check of a bundle."""


class InvalidBundle(ValueError):
    """The folder is not a bundle that may be served; the message names the cause."""
