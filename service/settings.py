"""The service's settings, read from the environment. Tracing alone reads the OTEL_* variables of its standard."""

import argparse
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import limits
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from inference.domain.graph_names import RequestedPrecision
from inference.domain.prevalence import Prevalence
from inference.imaging.decoding import MAX_PIXELS
from inference.settings import RegistrySettings, unknown_variables, variables_of

OFF = "off"
MOST_PROXIES = 256  # addresses of a trusted network; whoever has more is warned
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
# Variables of training, tests, examples and docker-compose.yml, which may stand in the same environment.
OTHERS = (
    *("LUNAR_DATA", "LUNAR_COMMIT", "LUNAR_CHROMIUM", "LUNAR_FUZZ", "LUNAR_SOAK_S"),
    *("LUNAR_REPOSITORY", "LUNAR_NOTEBOOK_CONFIG", "LUNAR_NOTEBOOK_FETCH"),
    *("LUNAR_DICOM_PORT", "LUNAR_KEY", "LUNAR_LOCK", "LUNAR_ORTHANC_PORT", "LUNAR_URL"),
    *("LUNAR_BIND", "LUNAR_FRONT_SUBNET", "LUNAR_GPU_MEMORY", "LUNAR_GRAFANA_PORT", "LUNAR_HTTPS_PORT"),
    *("LUNAR_HTTP_PORT", "LUNAR_SERVICE_MEMORY", "LUNAR_TLS", "LUNAR_TRAINING_CONFIG", "LUNAR_TRAINING_MEMORY"),
)


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        ipaddress.ip_network(value)  # refuses "*" too, with which any client could forge its address
    return values


def _rate(value: str | None) -> str | None:
    if value in (None, OFF):
        return value
    first, *more = limits.parse_many(value)
    if more:
        raise ValueError("one rate limit, not several")
    if first.amount < 1:
        raise ValueError(f"at least one request, or {OFF!r} for no limit")
    return value


def _prevalence(value: str | None) -> str | None:
    if value is not None:
        Prevalence.parse(value)
    return value


def _redis(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith(REDIS_SCHEMES):
        raise ValueError(f"an address that begins with {', '.join(REDIS_SCHEMES)}")
    try:
        urlsplit(value.get_secret_value()).port  # noqa: B018 - raises
    except ValueError:
        raise ValueError("the port is no number") from None  # the message of urlsplit may quote the password
    return value


Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(RegistrySettings):
    """Read from the environment (prefix LUNAR_)."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on")
    runtime: Literal["auto", "openvino", "tensorflow"] = Field("auto", description="Runtime that executes the model")
    precision: RequestedPrecision = Field(
        "auto",
        description="Precision of the model; auto: int8, else bf16, if it passed its gate and suits the processor",
    )
    prevalence: Annotated[str | None, AfterValidator(_prevalence)] = Field(
        None,
        description="Mix of diagnoses that answers are re-weighted for: `ham10000`, `uniform`, or seven numbers for "
        "akiec, bcc, bkl, df, mel, nv, vasc; default: the model's own",
    )
    examples_dir: Path | None = Field(
        None,
        description="Folder of example images for the page: its first dozen JPEG, PNG, WebP, BMP or AVIF files by "
        "name; default: drawn lesions",
    )
    max_body_bytes: int = Field(20_000_000, gt=0, description="Largest upload")
    max_uploads: int = Field(64, gt=0, description="Uploads of one key or address that may arrive at once")
    max_upload_bytes: int = Field(
        200_000_000, gt=0, description="Bytes of all uploads that arrive or are being answered; more get 503"
    )
    min_upload_rate: int = Field(
        16_000, gt=0, description="Slowest upload, in bytes a second after its first five seconds; slower ones get 408"
    )
    max_connections: int = Field(
        1000, gt=0, description="Open connections; fewer if the limit of file handles (`ulimit -n`) is low"
    )
    max_pixels: int = Field(MAX_PIXELS, gt=0, description="Largest image, in pixels")
    decoders: int = Field(
        2,
        ge=0,
        description="Processes that decode images; 0: the service itself does, and a crash of a decoder ends it",
    )
    decoder_memory_mb: int = Field(
        512, ge=128, description="Memory that a decoder may take for one image, in units of 2^20 bytes"
    )
    decode_timeout_s: float = Field(
        20.0, gt=0, description="Longest time of decoding one image, in seconds; half of it on the processor"
    )
    max_waiting: int = Field(32, ge=0, description="Requests that may wait for the model; more get 503")
    batch_size: int = Field(0, ge=0, description="Images that may share a call; 0: as many as the runtime gains from")
    batch_wait_ms: float = Field(
        2.0, ge=0, description="Longest wait of a call for images that are being decoded, in milliseconds"
    )
    request_timeout_s: float = Field(30.0, gt=0, description="Deadline of a request, in seconds")
    registry_poll_s: float = Field(15.0, gt=0, description="Seconds between two polls of the registry")
    candidate_timeout_s: float = Field(
        300.0,
        ge=0,
        description="Longest verification of a new version, in seconds; 0: in the service itself, no limits",
    )
    candidate_memory_mb: int = Field(4000, gt=0, description="Most memory of the process that verifies, in megabytes")
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
    redis: Annotated[SecretStr, AfterValidator(_redis)] | None = Field(
        None, description="`redis://` address where several processes count together; default: each in its memory"
    )
    trusted_proxies: Annotated[Listed, AfterValidator(_networks)] = Field(
        (),
        description="The proxies' own addresses, whose X-Forwarded-For and X-Forwarded-Proto are believed",
    )
    allowed_hosts: Listed = Field(
        (), description="Host names the service answers to, beside this machine's; default: on loopback none, else any"
    )
    cors_origins: Listed = Field(
        (), description="Origins whose scripts may call the API, with a key if there are keys; `*` (all) needs keys"
    )
    audit_file: Path | None = Field(None, description="File that gets the request log too, a new one a day")
    audit_days: int = Field(90, gt=0, description="Days that the files before it are kept")

    @property
    def assumed_prevalence(self) -> Prevalence | None:
        """The mix of diagnoses to re-weight for."""
        return Prevalence.parse(self.prevalence) if self.prevalence else None

    @property
    def wide_proxies(self) -> tuple[str, ...]:
        """The trusted networks that are so large that clients may be in them, and choose the address that counts."""
        networks = ((value, ipaddress.ip_network(value)) for value in self.trusted_proxies)
        return tuple(value for value, network in networks if network.num_addresses > MOST_PROXIES)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def misspelled(environment: Iterable[str]) -> dict[str, str | None]:
    """The LUNAR_ variables that nothing reads, each with the nearest setting if one is similar."""
    found = unknown_variables(environment, variables_of(Settings))
    return {name: nearest for name, nearest in found.items() if name not in OTHERS}


def table() -> str:
    """Every setting as a Markdown table, which docs/configuration.md contains."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, ()) else f"`{field.default}`"
        rows.append(f"| `LUNAR_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m service.settings", description="Print the table of settings.").parse_args()
    print(table())
