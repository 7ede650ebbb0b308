"""What the log keeps of a request: enough to account for it, nothing of what was seen or found in whom."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from service.settings import Settings
from service.steps import Steps

ANSWERED = "answered"
CLIENT_LEFT = "client-left"
Fingerprint = Callable[[bytes], str | None]


@dataclass(slots=True)
class ImageRecord:
    """One image: bytes as uploaded, pixels of the upright image if it could be read, and its keyed hash."""

    bytes: int
    hash: str | None
    width: int | None = None
    height: int | None = None


@dataclass(slots=True)
class Record:
    """Filled while a request is answered; whoever learns something notes it.

    key: the id of an API key, "page" for a visit, None if no keys are asked for or none was accepted.
    outcome: the problem's slug, ANSWERED or CLIENT_LEFT. There is no place for a file's name, a class or a probability.
    steps: for metrics and traces; the log has none of them.
    """

    fingerprint: Fingerprint
    key: str | None = None
    model: str | None = None
    version: str | None = None
    outcome: str = ANSWERED
    images: list[ImageRecord] = field(default_factory=list)
    steps: Steps = field(default_factory=Steps)

    def add(self, data: bytes) -> ImageRecord:
        """Note an image. Hashes it: call it where computing belongs."""
        image = ImageRecord(len(data), self.fingerprint(data))
        self.images.append(image)
        return image

    def facts(self) -> dict[str, Any]:
        """As the log writes them."""
        names = ("outcome", "key", "model", "version")
        return {name: getattr(self, name) for name in names} | {"images": [asdict(each) for each in self.images]}


def keyed_hash(settings: Settings) -> Fingerprint:
    """HMAC-SHA-256 of an image under the settings' secret, so that the log can be compared with an image at hand.

    Without a secret there is no hash: anybody who has the image, or guesses it, could find it in the log.
    """
    if settings.secret is None:
        return lambda _: None
    key = hmac.digest(settings.secret.get_secret_value().encode(), b"image", hashlib.sha256)
    return lambda data: hmac.new(key, data, hashlib.sha256).hexdigest()
