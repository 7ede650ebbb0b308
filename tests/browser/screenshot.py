"""python -m tests.browser.screenshot OUT.png: the README's picture, a drawn lesion answered by the starter.

Starts a service of its own on a temporary registry. 1200 pixels wide, in the light theme, at most 300 kB.
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

from inference.bundle import open_bundle
from inference.registry import Registry, register_starter
from inference.settings import RegistrySettings
from tests.browser.chromium import chromium
from tests.running import STARTER, running_service
from training.drawn import draw_lesion

WIDTH, HEIGHT = 1200, 1350
SEED = 1
LARGEST = 300_000


def main(out: Path) -> None:
    """Write the picture."""
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=600, height=450, seed=SEED)).save(buffer, "JPEG", quality=92)
    lesion = {"name": "drawn.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        register_starter(Registry(RegistrySettings(home=home)), open_bundle(STARTER), alias="champion")
        with running_service(home) as address, chromium() as browser:
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
            page.goto(f"{address}/?lang=en")
            page.set_input_files("#file", lesion)
            page.wait_for_selector('[data-outcome="result"]')
            shot = page.screenshot()
    out.write_bytes(_compress(shot))


def _compress(shot: bytes) -> bytes:
    """As small as PNG goes without losing a colour; a README should load fast."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(shot)).convert("RGB").save(buffer, "PNG", optimize=True)
    if buffer.tell() > LARGEST:
        raise SystemExit(f"{buffer.tell():,} bytes; at most {LARGEST:,} are wanted")
    return buffer.getvalue()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
