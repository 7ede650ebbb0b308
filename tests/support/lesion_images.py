"""Drawn lesions as image files."""

import io

from PIL import Image

from training.data.synthetic_lesions import draw_lesion


def lesion(format_: str = "JPEG", *, width: int = 60, height: int = 45, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_lesion(width=width, height=height, seed=1)).save(buffer, format_, **options)
    return buffer.getvalue()
