"""The service's settings; with inference.settings the only reader of the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from inference.image import MAX_PIXELS
from inference.settings import RegistrySettings


class Settings(RegistrySettings):
    """Read from the environment (prefix LUNAR_)."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on")
    runtime: Literal["auto", "openvino", "tensorflow"] = Field("auto", description="What executes the model")
    precision: Literal["auto", "fp32", "int8"] = Field("auto", description="Which graph of the bundle is executed")
    examples_dir: Path | None = Field(None, description="Images the page offers as examples; default: drawn lesions")
    max_body_bytes: int = Field(20_000_000, gt=0, description="Largest upload")
    max_pixels: int = Field(MAX_PIXELS, gt=0, description="Largest image, in pixels")
    max_waiting: int = Field(32, ge=0, description="Requests that may wait for the model; more get 503")
    request_timeout_s: float = Field(30.0, gt=0, description="Deadline of a request, in seconds")
    registry_poll_s: float = Field(15.0, gt=0, description="Seconds between two looks at the registry")
    fallback_bundle: Path | None = Field(
        None, description="Bundle to serve, marked as stale, when neither registry nor cache has a model"
    )
    shadow_alias: str | None = Field(None, description="Alias of a version that is compared on live requests, unseen")
    shadow_share: float = Field(0.1, ge=0, le=1, description="Share of the requests that the shadow answers too")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe level logged")


def table() -> str:
    """Every setting as a Markdown table; the README holds its output."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `LUNAR_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
