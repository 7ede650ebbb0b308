"""Six files for the page: four drawn lesions, one that is no image, and one whose name begins like a formula."""

import io

from PIL import Image

from tests.support.page_steps import GOOD, NAME
from training.data.synthetic_lesions import draw_lesion


def drawn(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=600, height=450, seed=seed)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


FILES = {f"drawn {seed}.jpg": drawn(seed) for seed in range(4)} | {NAME: b"no image", "=1+1.jpg": GOOD}
