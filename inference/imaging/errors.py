"""Why the bytes of an upload are no usable image. Every message names the cause and is safe to show to the client."""


class ImageError(ValueError):
    """The bytes cannot be decoded.

    The message is English. For other languages `cause` names what it says, and `facts` are the values in it.
    """

    def __init__(self, message: str, *, cause: str | None = None, **facts: str | float) -> None:
        super().__init__(message)
        self.cause, self.facts = cause, facts


class UnsupportedFormat(ImageError):
    """The content is not an image, or an image in a format that is not accepted."""


class UnreadableImage(ImageError):
    """The format is accepted, but the content is damaged, or of a kind that is not decoded."""


class ImageTooLarge(ImageError):
    """The image has more pixels than allowed."""
