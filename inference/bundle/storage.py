"""A bundle's folder: completed with hashes and a manifest when it is written, verified whenever it is opened."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from inference.bundle.arrays import expect_shape, read_arrays
from inference.bundle.drift_reference import DriftReference
from inference.bundle.errors import InvalidBundle as InvalidBundle  # callers of open_bundle import both from here
from inference.bundle.evaluation_curves import Curves
from inference.bundle.manifest import Manifest, ManifestDraft, StrictModel
from inference.bundle.map_evaluation import MapEvaluation
from inference.bundle.out_of_distribution import MAX_COMPONENTS, OodDetector, OodEvaluation
from inference.bundle.previous_bundle import describe_aside
from inference.bundle.subgroups import Subgroups
from inference.bundle.uncertainty import Uncertainty

MANIFEST = "manifest.json"
HEAD = "head.npz"
GOLDEN = "golden.npz"
CARD = "MODEL_CARD.md"
CURVES = "curves.json"
OOD_COMPONENTS = "novelty.npz"
OOD_EVALUATION = "novelty.json"
REFERENCE = "reference.json"
UNCERTAINTY = "uncertainty.json"
MAPS = "maps.json"
SUBGROUPS = "subgroups.json"
CONFIG = "config.json"  # of the training run
UNIT_TOLERANCE = 0.01  # of the length of a unit vector in float16, which has three decimal digits
BLOCK_BYTES = 16_000_000

_Model = TypeVar("_Model", bound=StrictModel)


@dataclass(frozen=True, slots=True)
class Head:
    """The dense layer on averaged features: logits = mean(features) @ w + b. w float32 [C, 7], b float32 [7]."""

    w: NDArray[np.float32]
    b: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Golden:
    """Golden cases, which every runtime must reproduce: images uint8 [n, s, s, 3], logits float32 [n, 7]."""

    images: NDArray[np.uint8]
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    `curves` are shown on the model page, `ood_detector` finds images unlike the training images, `reference` is the
    baseline of drift detection, `uncertainty` turns answers into sets and calibrated risks, `maps` says what was
    measured of the heat maps, `subgroups` what was measured of groups of patients. Each of the six is None if the
    bundle lacks its file. `compiled` is the folder under which runtimes may keep what they compile; None for a bundle
    that was opened outside of the cache of LUNAR_HOME. The runtime itself gets the folder of its own graph there.
    """

    path: Path
    manifest: Manifest
    head: Head
    golden: Golden
    curves: Curves | None = None
    ood_detector: OodDetector | None = None
    reference: DriftReference | None = None
    uncertainty: Uncertainty | None = None
    maps: MapEvaluation | None = None
    subgroups: Subgroups | None = None
    compiled: Path | None = None


def write_bundle(folder: Path, draft: ManifestDraft, *, head: Head, golden: Golden) -> Bundle:
    """Add head, golden cases and manifest to `folder`, which holds graphs and documents already; open the bundle.

    Raises InvalidBundle if a file is missing or does not fit the manifest.
    """
    np.savez_compressed(folder / HEAD, w=head.w, b=head.b)
    np.savez_compressed(folder / GOLDEN, images=golden.images, logits=golden.logits)
    files = {path: _sha256(folder / path) for path in _listing(folder)}
    manifest = Manifest(**dict(draft), files=files, digest="")
    manifest = manifest.model_copy(update={"digest": manifest.compute_digest()})
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return open_bundle(folder)


def open_bundle(folder: Path) -> Bundle:
    """Open a bundle and verify it: schema, digest, SHA-256 of every file, no missing and no extra file, arrays.

    Raises InvalidBundle, and OSError for errors of the machine that may pass.
    """
    try:
        return _open(folder)
    except FileNotFoundError as error:
        raise InvalidBundle(f"A file of {folder} was deleted while it was read.") from error


def _open(folder: Path) -> Bundle:
    manifest = _read_manifest(folder)
    _verify_files(folder, manifest)
    return Bundle(
        path=folder,
        manifest=manifest,
        head=_read_head(folder, manifest),
        golden=_read_golden(folder, manifest),
        curves=_read_optional(Curves, folder, manifest, name=CURVES),
        ood_detector=_read_ood_detector(folder, manifest),
        reference=_read_optional(DriftReference, folder, manifest, name=REFERENCE),
        uncertainty=_read_optional(Uncertainty, folder, manifest, name=UNCERTAINTY),
        maps=_read_optional(MapEvaluation, folder, manifest, name=MAPS),
        subgroups=_read_optional(Subgroups, folder, manifest, name=SUBGROUPS),
    )


def _read_head(folder: Path, manifest: Manifest) -> Head:
    arrays = read_arrays(folder / HEAD, {"w": np.float32, "b": np.float32})
    expect_shape("head w", arrays["w"], manifest.head_shape)
    expect_shape("head b", arrays["b"], manifest.head_shape[1:])
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise InvalidBundle(f"{HEAD} holds numbers that are not finite.")
    return Head(**arrays)


def _read_golden(folder: Path, manifest: Manifest) -> Golden:
    arrays = read_arrays(folder / GOLDEN, {"images": np.uint8, "logits": np.float32})
    count, size = arrays["images"].shape[:1], manifest.preprocessing.size
    expect_shape("golden images", arrays["images"], (*count, size, size, 3))
    expect_shape("golden logits", arrays["logits"], (*count, *manifest.head_shape[1:]))
    if count == (0,):
        raise InvalidBundle("The bundle has no golden cases.")
    return Golden(**arrays)


def _read_optional(kind: type[_Model], folder: Path, manifest: Manifest, *, name: str) -> _Model | None:
    return _parse(kind, (folder / name).read_bytes(), name) if name in manifest.files else None


def _read_ood_detector(folder: Path, manifest: Manifest) -> OodDetector | None:
    present = {OOD_COMPONENTS, OOD_EVALUATION} & set(manifest.files)
    if not present:
        return None
    if len(present) == 1:
        raise InvalidBundle(f"{OOD_COMPONENTS} and {OOD_EVALUATION} belong together; only {present.pop()} is present.")
    evaluation = _parse(OodEvaluation, (folder / OOD_EVALUATION).read_bytes(), OOD_EVALUATION)
    components = read_arrays(folder / OOD_COMPONENTS, {"components": np.float16})["components"]
    features = manifest.feature_shape[2]
    expect_shape("out-of-distribution components", components, (*components.shape[:1], features))
    if not 0 < len(components) < min(features, MAX_COMPONENTS + 1):
        raise InvalidBundle(f"{OOD_COMPONENTS} holds {len(components)} components; allowed: 1 to {MAX_COMPONENTS}.")
    lengths = np.linalg.norm(components.astype(np.float64), axis=1)
    if not (np.abs(lengths - 1) < UNIT_TOLERANCE).all():  # written so that a NaN is refused too
        raise InvalidBundle(f"{OOD_COMPONENTS} holds components that are not unit vectors.")
    return OodDetector(components=components, evaluation=evaluation)


def _read_manifest(folder: Path) -> Manifest:
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError) as error:
        raise InvalidBundle(f"{folder} has no readable {MANIFEST}.{describe_aside(folder)}") from error
    manifest = _parse(Manifest, text, MANIFEST)
    if manifest.digest != manifest.compute_digest():
        raise InvalidBundle(f"The digest does not match the content of {MANIFEST}.")
    return manifest


def _parse(kind: type[_Model], text: str | bytes, name: str) -> _Model:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        document = name.removesuffix(".json")
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or document}: {e['msg']}" for e in error.errors())
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
    """Relative POSIX paths of every file except the manifest. Raises InvalidBundle for links, pipes and devices."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    for path in paths:
        if path.is_symlink() or not path.is_file():
            raise InvalidBundle(f"{path.relative_to(folder)} is not a regular file.")
    return [name for path in paths if (name := path.relative_to(folder).as_posix()) != MANIFEST]


def _sha256(path: Path) -> str:
    """SHA-256 of a file, in large blocks: each block waits for the interpreter lock, which imports hold at start-up."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        block = memoryview(bytearray(max(1, min(BLOCK_BYTES, os.fstat(file.fileno()).st_size))))
        while count := file.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()
