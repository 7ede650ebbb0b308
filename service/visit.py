"""A visit: whoever opened the page may ask from it for a while, without a key. A signed cookie is all that is kept."""

import hashlib
import hmac
import secrets
import time

from fastapi import Request
from fastapi.responses import Response

from service.settings import Settings

COOKIE = "lunar-visit"
LASTS_S = 12 * 3600


class Visits:
    """Gives out and recognises cookies that say until when they are good. `HttpOnly`, `SameSite=Strict`."""

    def __init__(self, settings: Settings) -> None:
        # Without a secret of the settings, a restart ends all visits, and several processes do not know each other's.
        secret = settings.secret.get_secret_value().encode() if settings.secret else secrets.token_bytes(32)
        self._key = hmac.digest(secret, b"visit", hashlib.sha256)

    def begin(self, request: Request, response: Response) -> None:
        """Let the response carry a new cookie; over TLS it will not travel without."""
        until = str(int(time.time()) + LASTS_S)
        response.set_cookie(
            COOKIE,
            f"{until}.{self._sign(until)}",
            max_age=LASTS_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )

    def holds(self, cookie: str) -> bool:
        """Whether the cookie is ours and still good."""
        until, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(until).encode()):
            return False
        return int(until) > time.time()  # signed by us, so it is a number

    def _sign(self, until: str) -> str:
        return hmac.new(self._key, until.encode(), hashlib.sha256).hexdigest()
