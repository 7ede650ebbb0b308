"""Page sessions: a signed cookie with which the page sends requests without a key, for some hours."""

import hashlib
import hmac
import secrets
import time

from fastapi import Request
from fastapi.responses import Response

from service.settings import Settings

COOKIE = "lunar-session"
LASTS_S = 12 * 3600


class PageSessions:
    """Issues and checks cookies that contain their expiry time. `HttpOnly`, `SameSite=Strict`; no state is kept."""

    def __init__(self, settings: Settings) -> None:
        # Without a secret in the settings a restart ends all sessions, and processes do not accept each other's.
        secret = settings.secret.get_secret_value().encode() if settings.secret else secrets.token_bytes(32)
        self._key = hmac.digest(secret, b"page session", hashlib.sha256)

    def begin(self, request: Request, response: Response) -> None:
        """Set a new cookie; `Secure` if the request came over TLS."""
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
        """Whether the signature is valid and the cookie has not expired."""
        until, _, signature = cookie.partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(until).encode()):
            return False
        return int(until) > time.time()  # the signature is valid, so this is a number

    def _sign(self, until: str) -> str:
        return hmac.new(self._key, until.encode(), hashlib.sha256).hexdigest()
