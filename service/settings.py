"""The service's settings; with inference.settings the only reader of the environment."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

import limits
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode, SettingsConfigDict

from inference.image import MAX_PIXELS
from inference.settings import RegistrySettings

OFF = "off"


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        ipaddress.ip_network(value)  # a ValueError names it; "*" is none: it would let anybody forge an address
    return values


def _rate(value: str | None) -> str | None:
    if value not in (None, OFF) and len(limits.parse_many(value)) > 1:
        raise ValueError("one rate limit, not several")
    return value


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(RegistrySettings):
    """Read from the environment (prefix LUNAR_)."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # a refused secret must not be in the message

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on")
    runtime: Literal["auto", "openvino", "tensorflow"] = Field("auto", description="What executes the model")
    precision: Literal["auto", "fp32", "int8"] = Field(
        "auto", description="Which graph of the bundle is executed; auto: int8 if it passed its gate"
    )
    examples_dir: Path | None = Field(None, description="Images the page offers as examples; default: drawn lesions")
    max_body_bytes: int = Field(20_000_000, gt=0, description="Largest upload")
    max_pixels: int = Field(MAX_PIXELS, gt=0, description="Largest image, in pixels")
    max_waiting: int = Field(32, ge=0, description="Requests that may wait for the model; more get 503")
    batch_size: int = Field(0, ge=0, description="Images that may share a call; 0: as many as the runtime gains from")
    batch_wait_ms: float = Field(
        2.0, ge=0, description="Longest wait of a call for images that are being decoded, in milliseconds"
    )
    request_timeout_s: float = Field(30.0, gt=0, description="Deadline of a request, in seconds")
    registry_poll_s: float = Field(15.0, gt=0, description="Seconds between two looks at the registry")
    fallback_bundle: Path | None = Field(
        None, description="Bundle to serve, marked as stale, when neither registry nor cache has a model"
    )
    shadow_alias: str | None = Field(None, description="Alias of a version that is compared on live requests, unseen")
    shadow_share: float = Field(0.1, ge=0, le=1, description="Share of the requests that the shadow answers too")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged")
    keys_file: Path | None = Field(None, description="File of API keys, as `python -m service.keys new` prints them")
    keys: SecretStr | None = Field(None, description="The same lines, in the environment")
    without_keys: bool = Field(False, description="Serve without keys at an address that others can reach")
    public_metrics: bool = Field(False, description="/metrics needs no key although the API does")
    public_docs: bool = Field(False, description="/docs and /openapi.json need no key although the API does")
    secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs the page's cookie and keys the hashes of images in the log; default: random, and no hashes",
    )
    rate_limit: Annotated[str | None, AfterValidator(_rate)] = Field(
        None,
        description="Requests per key, and per address without one, such as `60/minute`; `off` for none; "
        "default: none on loopback, else `120/minute`",
    )
    redis: SecretStr | None = Field(
        None, description="`redis://` address where several processes count together; default: each in its memory"
    )
    trusted_proxies: Annotated[Listed, AfterValidator(_networks)] = Field(
        (), description="Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed"
    )
    allowed_hosts: Listed = Field(
        (), description="Host names the service answers to, beside this machine's; default: on loopback none, else any"
    )
    cors_origins: Listed = Field((), description="Origins whose scripts may call the API with a key")
    audit_file: Path | None = Field(None, description="File that gets the request log too, a new one a day")
    audit_days: int = Field(90, gt=0, description="Days that the files before it are kept")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def table() -> str:
    """Every setting as a Markdown table; the README holds its output."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        rows.append(f"| `LUNAR_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
