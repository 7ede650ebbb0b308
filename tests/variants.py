"""Other versions of a bundle, whose answers are known to differ."""

import shutil
from pathlib import Path

from inference.bundle import GOLDEN, HEAD, MANIFEST, REFERENCE, Bundle, write
from inference.reference import Reference


def variant(bundle: Bundle, folder: Path, *, temperature: float, reference: Reference | None = None) -> Bundle:
    """The same network with another temperature: the same classes, other probabilities."""
    shutil.copytree(bundle.path, folder)
    for name in (MANIFEST, HEAD, GOLDEN):
        (folder / name).unlink()
    if reference:
        (folder / REFERENCE).write_text(reference.model_dump_json())
    description = bundle.manifest.model_dump(mode="json", exclude={"files", "digest"}) | {"temperature": temperature}
    return write(folder, description=description, head=bundle.head, golden=bundle.golden)
