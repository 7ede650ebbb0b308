"""What the log records of a request: who asked, how it ended, and the images' sizes; nothing of the result."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from service.observability.timings import Timings
from service.settings import Settings

ANSWERED = "answered"
CLIENT_LEFT = "client-left"
SHUT_DOWN = "shut-down"
Fingerprint = Callable[[bytes], str]


@dataclass(slots=True)
class ImageRecord:
    """One image: bytes as uploaded, pixels of the upright image if it could be read, and its keyed hash."""

    bytes: int
    hash: str | None
    width: int | None = None
    height: int | None = None


@dataclass(slots=True)
class RequestRecord:
    """Filled by several modules while a request is answered.

    key: the id of an API key, "page" for a page session, None if no key is required or none was accepted.
    outcome: the problem's slug, ANSWERED, CLIENT_LEFT or SHUT_DOWN. No field takes a file name, class or probability.
    steps: for metrics and traces; the log does not contain them.
    """

    fingerprint: Fingerprint | None  # None: images are recorded without a hash
    key: str | None = None
    model: str | None = None
    version: str | None = None
    outcome: str = ANSWERED
    images: list[ImageRecord] = field(default_factory=list)
    steps: Timings = field(default_factory=Timings)

    def add(self, data: bytes) -> ImageRecord:
        """Record an image. With a fingerprint it computes a hash, so call it outside the event loop then."""
        image = ImageRecord(len(data), self.fingerprint(data) if self.fingerprint else None)
        self.images.append(image)
        return image

    def facts(self) -> dict[str, Any]:
        """The fields of the log's line."""
        names = ("outcome", "key", "model", "version")
        return {name: getattr(self, name) for name in names} | {"images": [asdict(image) for image in self.images]}


def keyed_hash(settings: Settings) -> Fingerprint | None:
    """HMAC-SHA-256 of an image with the settings' secret, by which an operator finds an image in the log.

    Without a secret there is no hash: with a plain hash, anyone who has an image could look it up in the log.
    """
    if settings.secret is None:
        return None
    key = hmac.digest(settings.secret.get_secret_value().encode(), b"image", hashlib.sha256)
    return lambda data: hmac.new(key, data, hashlib.sha256).hexdigest()
