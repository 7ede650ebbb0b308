"""What can go wrong with the registry, by kind. Messages keep MLflow's own words, without secrets."""

from inference.bundle.storage import InvalidBundle


class NoSuchModel(LookupError):
    """The registry has no such model, version or alias."""


class RegistryUnavailable(RuntimeError):
    """The registry does not answer. The kinds of answers that are of no use are below."""


class RegistryRefused(RegistryUnavailable):
    """MLflow answers with an error: an old schema of its database, a deleted experiment, a name it does not allow."""


class NotMlflow(RegistryUnavailable):
    """Something else than MLflow answers at the registry's address: a proxy's page, another program."""


class MissingBundle(InvalidBundle):
    """The version is registered, but the files of its bundle are gone. The message names the place."""


class Refused(RuntimeError):
    """A version may not become champion, or there is none to go back to; the message says why."""
