"""python -m tests.browser.screenshot FOLDER: the README's pictures, drawn lesions answered by the starter.

Starts a service of its own on a temporary registry. Each picture has at most 300 kB.
"""

import argparse
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from inference.bundle.storage import open_bundle
from inference.registry.__main__ import register_starter
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.chromium import chromium, new_context
from tests.support.paths import ROOT, STARTER
from tests.support.service_process import running_service

if TYPE_CHECKING:
    from playwright.sync_api import Page

LARGEST = 300_000
EXAMPLES = sorted((ROOT / "static/examples").glob("*.jpg"))


def one(page: "Page") -> None:
    """A result."""
    page.set_input_files("#file", EXAMPLES[0])
    page.wait_for_selector('[data-outcome="result"][data-shown]')


def several(page: "Page") -> None:
    """The table of several images, sorted by risk."""
    page.set_input_files("#file", EXAMPLES)
    page.wait_for_selector('[data-outcome="batch"][data-finished]')
    page.click('[data-sort="risk"]')


def nothing(_: "Page") -> None:
    """The page as it is opened."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: what is done, and the window."""

    act: Callable[["Page"], None]
    width: int
    height: int
    scheme: str = "light"


SHOTS = {
    "page.png": Shot(one, 1200, 860),
    "page-start.png": Shot(nothing, 768, 900),
    "page-table.png": Shot(several, 1440, 640),
    "page-phone.png": Shot(one, 360, 1240, "dark"),
}


def main(folder: Path) -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        register_starter(Registry(RegistrySettings(home=home)), open_bundle(STARTER), alias="champion")
        with running_service(home) as address, chromium() as browser:
            for name, shot in SHOTS.items():
                window = {"width": shot.width, "height": shot.height}
                page = new_context(browser, viewport=window, color_scheme=shot.scheme).new_page()
                page.goto(f"{address}/?lang=en")
                shot.act(page)
                (folder / name).write_bytes(_compress(page.screenshot()))
                page.close()


def _compress(shot: bytes) -> bytes:
    """As small as PNG goes without losing a colour; a README should load fast."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(shot)).convert("RGB").save(buffer, "PNG", optimize=True)
    if buffer.tell() > LARGEST:
        raise SystemExit(f"{buffer.tell():,} bytes; at most {LARGEST:,} are wanted")
    return buffer.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    main(parser.parse_args().folder)
