"""A bundle on disk: manifest + graphs + head + golden cases. Written once, verified whenever it is opened."""

import errno
import hashlib
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from inference.curves import Curves
from inference.manifest import Manifest, Part
from inference.novelty import MOST_COMPONENTS, Novelty, Trial
from inference.reference import Reference

MANIFEST = "manifest.json"
HEAD = "head.npz"
GOLDEN = "golden.npz"
CARD = "MODEL_CARD.md"
CURVES = "curves.json"
COMPONENTS = "novelty.npz"
TRIAL = "novelty.json"
REFERENCE = "reference.json"
UNIT_TOLERANCE = 0.01  # of a vector in float16, which has three digits
MAX_ARRAY_BYTES = 256_000_000  # a head has kilobytes, golden images at 480 pixels have megabytes
PIECE_BYTES = 16_000_000

_Part = TypeVar("_Part", bound=Part)

# What zipfile of Python 3.11 and NumPy 2.4 raise on damaged archives; fuzzing found the less obvious ones.
_BROKEN = (
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

_PASSING = (errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EIO, errno.ENOMEM)


class InvalidBundle(ValueError):
    """The folder is not a bundle that may be served; the message names the cause."""


@dataclass(frozen=True, slots=True)
class Head:
    """The classifier on the pooled features: logits = mean(features) @ w + b. w float32 [C, 7], b float32 [7]."""

    w: NDArray[np.float32]
    b: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Golden:
    """Cases that every runtime must reproduce: images uint8 [n, s, s, 3], logits float32 [n, 7]."""

    images: NDArray[np.uint8]
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle. The curves are for the model page and may be missing; without `novelty` it cannot tell which
    images it was not made for, without `reference` nobody can tell whether its answers drift.
    """

    path: Path
    manifest: Manifest
    head: Head
    golden: Golden
    curves: Curves | None = None
    novelty: Novelty | None = None
    reference: Reference | None = None


def write(folder: Path, *, description: Mapping[str, Any], head: Head, golden: Golden) -> Bundle:
    """Complete `folder`, which already holds graphs and documents, to a bundle, and open it.

    `description` is the manifest's content without files and digest. Raises InvalidBundle if it is not complete.
    """
    np.savez_compressed(folder / HEAD, w=head.w, b=head.b)
    np.savez_compressed(folder / GOLDEN, images=golden.images, logits=golden.logits)
    files = {path: _sha256(folder / path) for path in _listing(folder)}
    draft = _parse(Manifest, json.dumps({**description, "files": files, "digest": ""}), MANIFEST)
    manifest = draft.model_copy(update={"digest": draft.compute_digest()})
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return open_bundle(folder)


def open_bundle(folder: Path) -> Bundle:
    """Open and verify a bundle: schema, every file's SHA-256, none missing, none extra, arrays, and what is optional.

    Raises InvalidBundle.
    """
    try:
        return _open(folder)
    except FileNotFoundError as error:
        raise InvalidBundle(f"{folder} was taken away while it was read.") from error


def _open(folder: Path) -> Bundle:
    manifest = _read_manifest(folder)
    _verify_files(folder, manifest)
    size, features, classes = manifest.preprocessing.size, manifest.head_shape[0], manifest.head_shape[1]
    head = _read_arrays(folder / HEAD, {"w": np.float32, "b": np.float32})
    golden = _read_arrays(folder / GOLDEN, {"images": np.uint8, "logits": np.float32})
    count = golden["images"].shape[0]
    _expect_shape("head w", head["w"], (features, classes))
    _expect_shape("head b", head["b"], (classes,))
    _expect_shape("golden images", golden["images"], (count, size, size, 3))
    _expect_shape("golden logits", golden["logits"], (count, classes))
    if count == 0:
        raise InvalidBundle("The bundle has no golden cases.")
    return Bundle(
        path=folder,
        manifest=manifest,
        head=Head(**head),
        golden=Golden(**golden),
        curves=_read_optional(Curves, folder, manifest, name=CURVES),
        novelty=_read_novelty(folder, manifest),
        reference=_read_optional(Reference, folder, manifest, name=REFERENCE),
    )


def _read_optional(kind: type[_Part], folder: Path, manifest: Manifest, *, name: str) -> _Part | None:
    return _parse(kind, (folder / name).read_bytes(), name) if name in manifest.files else None


def _read_novelty(folder: Path, manifest: Manifest) -> Novelty | None:
    present = {COMPONENTS, TRIAL} & set(manifest.files)
    if not present:
        return None
    if len(present) == 1:
        raise InvalidBundle(f"{COMPONENTS} and {TRIAL} belong together; there is only {present.pop()}.")
    trial = _parse(Trial, (folder / TRIAL).read_bytes(), TRIAL)
    components = _read_arrays(folder / COMPONENTS, {"components": np.float16})["components"]
    features = manifest.feature_shape[2]
    _expect_shape("novelty's components", components, (*components.shape[:1], features))
    if not 0 < len(components) < min(features, MOST_COMPONENTS + 1):
        raise InvalidBundle(f"{COMPONENTS} holds {len(components)} components; allowed: 1 to {MOST_COMPONENTS}.")
    lengths = np.linalg.norm(components.astype(np.float64), axis=1)
    if not (np.abs(lengths - 1) < UNIT_TOLERANCE).all():  # written so that a NaN is refused too
        raise InvalidBundle(f"{COMPONENTS} holds components that are no unit vectors.")
    return Novelty(components=components, trial=trial)


def _read_manifest(folder: Path) -> Manifest:
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError) as error:
        raise InvalidBundle(f"{folder} has no readable {MANIFEST}.") from error
    manifest = _parse(Manifest, text, MANIFEST)
    if manifest.digest != manifest.compute_digest():
        raise InvalidBundle(f"The digest does not match the content of {MANIFEST}.")
    return manifest


def _parse(kind: type[_Part], text: str | bytes, name: str) -> _Part:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        whole = name.removesuffix(".json")
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or whole}: {e['msg']}" for e in error.errors())
        raise InvalidBundle(f"{name}: {reasons}") from error


def _verify_files(folder: Path, manifest: Manifest) -> None:
    listed, present = set(manifest.files), set(_listing(folder))
    required = {HEAD, GOLDEN, CARD} | {graph.path for graph in manifest.graphs.values()}
    if unlisted := required - listed:
        raise InvalidBundle(f"The manifest lists no hash for {', '.join(sorted(unlisted))}.")
    if missing := listed - present:
        raise InvalidBundle(f"Missing from the bundle: {', '.join(sorted(missing))}.")
    if extra := present - listed:
        raise InvalidBundle(f"Not listed in the manifest: {', '.join(sorted(extra))}.")
    for path, expected in manifest.files.items():
        if _sha256(folder / path) != expected:
            raise InvalidBundle(f"{path} does not have the hash that the manifest states.")


def _listing(folder: Path) -> list[str]:
    """Every file of the bundle but the manifest, as relative POSIX paths."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise InvalidBundle(f"{path.relative_to(folder)} is not a regular file.")
    return [name for path in paths if (name := path.relative_to(folder).as_posix()) != MANIFEST]


def _read_arrays(path: Path, dtypes: Mapping[str, type[np.generic]]) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(path):  # NumPy 2.4 leaves a broken object behind when it finds out itself
        raise InvalidBundle(f"{path.name} cannot be read.")
    try:
        with zipfile.ZipFile(path) as archived:
            size = sum(member.file_size for member in archived.infolist())
        if size > MAX_ARRAY_BYTES:
            raise InvalidBundle(f"{path.name} unpacks to {size:,} bytes; allowed: {MAX_ARRAY_BYTES:,}.")
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except InvalidBundle:
        raise
    except OSError as error:
        if error.errno in _PASSING:
            raise  # of this machine at this moment, not of the bundle
        raise InvalidBundle(f"{path.name} cannot be read.") from error
    except _BROKEN as error:
        raise InvalidBundle(f"{path.name} cannot be read.") from error
    if arrays.keys() != dtypes.keys():
        raise InvalidBundle(f"{path.name} holds {', '.join(arrays)}; expected {', '.join(dtypes)}.")
    for name, dtype in dtypes.items():
        if not isinstance(arrays[name], np.ndarray):  # NumPy hands out a member that is no array as bytes
            raise InvalidBundle(f"{path.name} cannot be read.")
        if arrays[name].dtype != dtype:
            raise InvalidBundle(f"{path.name}: {name} is {arrays[name].dtype}; expected {np.dtype(dtype)}.")
    return arrays


def _expect_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InvalidBundle(f"The {name} have shape {array.shape}; expected {shape}.")


def _sha256(path: Path) -> str:
    """In large pieces: after each the interpreter lock has to be had again, and at a start imports hold on to it."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        piece = memoryview(bytearray(max(1, min(PIECE_BYTES, os.fstat(file.fileno()).st_size))))
        while count := file.readinto(piece):
            digest.update(piece[:count])
    return digest.hexdigest()
