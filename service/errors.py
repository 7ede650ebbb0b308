"""The service's exceptions, named by cause; service/http/problems.py maps each to a status."""


class NoImage(ValueError):
    """The request carries no image."""


class SeveralImages(ValueError):
    """The request carries more than one image."""


class BrokenUpload(ValueError):
    """The multipart body cannot be parsed."""


class BodyTooLarge(ValueError):
    """The body has more bytes than allowed."""


class SlowUpload(ValueError):
    """The body arrives more slowly than allowed."""


class InvalidScoringRequest(ValueError):
    """The body does not follow MLflow's scoring protocol."""


class TooManyImages(ValueError):
    """One call carries more images than allowed."""


class NotJson(ValueError):
    """The content type is not JSON."""


class InvalidInference(ValueError):
    """The body does not follow the Open Inference Protocol."""


class UnknownModel(LookupError):
    """No model of this name and version is in service."""


class NotAcceptable(ValueError):
    """The answer cannot be given in any representation that the client accepts."""


class Overloaded(RuntimeError):
    """Too many requests wait for the model."""


class DeadlineExceeded(RuntimeError):
    """The request was not answered in time."""


class NoModel(RuntimeError):
    """No verified model is in service yet."""


class UnknownHost(ValueError):
    """The Host header is not allowed."""


class MissingKey(PermissionError):
    """The path requires a key, and none was sent."""


class UnknownKey(PermissionError):
    """No client has this key."""


class ExpiredPageSession(PermissionError):
    """The page session has expired, or another process started it."""


class Forbidden(PermissionError):
    """The key's role does not permit the request."""


class CrossSite(PermissionError):
    """A page of another site caused the request."""


class RateLimited(RuntimeError):
    """The client has sent more requests than allowed; `retry_after` in seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RefusedVersion(RuntimeError):
    """The version behind the alias failed its verification."""


class NoRegistry(RuntimeError):
    """The registry does not answer."""


UNKNOWN_PARAMETER = "unknown_parameter"  # pydantic's error type for a parameter that does not exist
