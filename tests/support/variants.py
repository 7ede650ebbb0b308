"""Variants of a bundle whose predictions differ."""

import shutil
from pathlib import Path

from inference.bundle.drift_reference import DriftReference
from inference.bundle.storage import GOLDEN, HEAD, MANIFEST, REFERENCE, Bundle, write_bundle


def variant(bundle: Bundle, folder: Path, *, temperature: float, reference: DriftReference | None = None) -> Bundle:
    """The same network with another temperature: the same classes, other probabilities."""
    shutil.copytree(bundle.path, folder)
    for name in (MANIFEST, HEAD, GOLDEN):
        (folder / name).unlink()
    if reference:
        (folder / REFERENCE).write_text(reference.model_dump_json())
    draft = bundle.manifest.replaced(temperature=temperature)
    return write_bundle(folder, draft, head=bundle.head, golden=bundle.golden)
