"""A bundle of the fake network with the numbers of another bundle."""

import shutil
from pathlib import Path

import numpy as np

from inference.bundle.storage import Bundle, write_bundle


def dress(fake: Bundle, starter: Bundle, folder: Path, *, curves: bool) -> Bundle:
    shutil.copytree(fake.path, folder)
    (folder / "manifest.json").unlink()
    if curves:
        shutil.copy(starter.path / "curves.json", folder)
        components = np.eye(3, dtype=np.float16)[:1]  # the fake has three features
        np.savez(folder / "novelty.npz", components=components)
        shutil.copy(starter.path / "novelty.json", folder)
    said = {key: getattr(starter.manifest, key) for key in ("metrics", "data", "thresholds")}
    return write_bundle(folder, fake.manifest.replaced(trained=True, **said), head=fake.head, golden=fake.golden)
