"""Damage to a bundle after which no service may load it, with what is said of it."""

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inference.bundle import arrays, storage
from inference.bundle.manifest import Manifest
from inference.bundle.storage import Golden

Damage = Callable[[Path], None]


class Bomb:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


def sealed(folder: Path, **changes: object) -> None:
    """Rewrite the manifest so that every hash and the digest are right, whatever the content is."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text()) | changes
    found = [name for name in content["files"] if (folder / name).is_file()]
    content["files"] |= {name: storage._sha256(folder / name) for name in found}
    try:
        digest = Manifest.model_validate(content).compute_digest()
    except ValueError:
        digest = content["digest"]  # no valid manifest: refused for that
    path.write_text(json.dumps(content | {"digest": digest}))


def change_a_byte(folder: Path) -> None:
    (folder / "MODEL_CARD.md").write_text("# Another\n")


def lose_a_file(folder: Path) -> None:
    (folder / "head.npz").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "graphs" / "more.bin").write_bytes(b"more")


def change_the_class_order(folder: Path) -> None:
    sealed(folder, classes=["nv", "mel", "df", "bkl", "bcc", "akiec", "vasc"])


def miss_the_golden_cases(folder: Path) -> None:
    with np.load(folder / "golden.npz") as found:
        golden = Golden(found["images"], found["logits"] + np.arange(7, dtype=np.float32))
    np.savez_compressed(folder / "golden.npz", images=golden.images, logits=golden.logits)
    sealed(folder)


def climb_out(folder: Path) -> None:
    sealed(folder, files={"../../outside": "0" * 64})


def climb_out_with_a_graph(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    content["graphs"]["openvino-fp32"]["path"] = "../../../outside.xml"
    sealed(folder, graphs=content["graphs"])


def link_away(folder: Path) -> None:
    (folder / "MODEL_CARD.md").unlink()
    (folder / "MODEL_CARD.md").symlink_to("/etc/hostname")


def pickle_the_head(folder: Path) -> None:
    (folder / "head.npz").write_bytes(pickle.dumps(Bomb()))
    sealed(folder)


def pickle_inside_the_head(folder: Path) -> None:
    np.savez(folder / "head.npz", w=np.array([Bomb()], dtype=object), b=np.zeros(7, np.float32))
    sealed(folder)


def promise_a_giant(folder: Path) -> None:
    with zipfile.ZipFile(folder / "golden.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", b"\0" * (arrays.MAX_ARRAY_BYTES + 1))
    sealed(folder)


DAMAGES: dict[Damage, str] = {
    change_a_byte: "MODEL_CARD.md does not have the hash",
    lose_a_file: "Missing from the bundle: head.npz",
    add_a_file: "Not listed in the manifest: graphs/more.bin",
    change_the_class_order: "the classes must be akiec",
    miss_the_golden_cases: "misses the golden cases",
    climb_out: "leaves the bundle",
    climb_out_with_a_graph: "lists no hash for",
    link_away: "MODEL_CARD.md does not have the hash",
    pickle_the_head: "head.npz cannot be read",
    pickle_inside_the_head: "head.npz cannot be read",
    promise_a_giant: "unpacks to",
}
