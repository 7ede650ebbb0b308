"""python -m benchmarks.harness.bundles [FOLDER --backbone NAME --size PIXELS]: the bundle that the benchmarks serve.

EfficientNetV2M at 480 pixels with random weights, as graphs for OpenVINO in fp32 and int8 and for Keras, with bf16
allowed where the processor has it: no trained bundle of this network exists, and its speed would be the same. The
predictions are meaningless. Made once into .bench/v2m, and again when another network or size is asked for, or the code
that makes it has changed. Prints one JSON line.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness.measuring import CAP, V2M_BUNDLE, emit
from inference.bundle.replacement import NotReplaceable, check_target
from inference.bundle.storage import Bundle, InvalidBundle, open_bundle
from inference.runtimes.cpu_features import multiplies_bfloat16
from tests.support.paths import ROOT, STARTER

PRECISIONS = ("fp32", "bf16", "int8")
MAKERS = ("training", "inference/bundle/storage.py", "inference/bundle/manifest.py", "tests/support/untrained.py")


def make(folder: Path, *, backbone: str, size: int) -> Bundle:
    """The bundle in `folder`, made if it is not there, is another network, or was made by other code.

    Raises NotReplaceable.
    """
    folder = folder.resolve()
    marker = folder.with_name(f"{folder.name}.made-by")
    made_of = f"{backbone} {size} {_code()}"
    if marker.exists() and marker.read_text() == made_of:
        return open_bundle(folder)
    check_target(folder)
    marker.unlink(missing_ok=True)  # it would be wrong of a bundle that is made in part
    from tests.support.untrained import untrained_network
    from training.bundling.export import export

    config, network = untrained_network(backbone, size=size, graphs=("openvino-fp32", "keras"))
    export(network, folder, config=config, evaluation=None)
    command = [sys.executable, "-m", "training", "quantise", str(folder), "--ungated", "--precision"]
    for precision in ("int8", "bf16") if multiplies_bfloat16() else ("int8",):
        subprocess.run([*command, precision], cwd=ROOT, check=True, stdout=sys.stderr)
    marker.write_text(made_of)
    return open_bundle(folder)


def precisions(bundle: Bundle) -> tuple[str, ...]:
    """Those in which OpenVINO executes the bundle here."""
    native = multiplies_bfloat16() and CAP not in os.environ
    computed = {"openvino-bf16"} if bundle.manifest.bfloat16 and native else set()
    return tuple(each for each in PRECISIONS if f"openvino-{each}" in computed | bundle.manifest.graphs.keys())


def opened(folder: Path) -> Bundle:
    """The bundle. Exits with what to do if there is none."""
    try:
        return open_bundle(folder)
    except InvalidBundle as error:
        raise SystemExit(f"{error} First: python -m benchmarks.harness.bundles") from error


def about(bundle: Bundle) -> str:
    """Backbone and size, for the tables."""
    return f"{bundle.manifest.backbone} at {bundle.manifest.preprocessing.size} px"


def served(folder: Path, *, only: str | None) -> dict[str, tuple[Bundle, str]]:
    """What the services are measured with: name -> bundle and precision. The starter, and the bundle in fp32 and int8.

    `only` names one of them, or the bundle in bf16, which benchmarks.precisions compares; exits with the names there
    are if it is none of them.
    """
    found = {"starter": (open_bundle(STARTER), "auto")}
    if only != "starter":
        bundle = opened(folder)
        found |= {f"V2M {each}": (bundle, each) for each in precisions(bundle)}
    if only and only not in found:
        raise SystemExit(f"There is no {only!r} to measure; there are: {', '.join(found)}.")
    return {only: found[only]} if only else {name: each for name, each in found.items() if each[1] != "bf16"}


def _code() -> str:
    digest = hashlib.sha256()
    for maker in MAKERS:
        path = ROOT / maker
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(source.read_bytes())
    return digest.hexdigest()


def main() -> None:
    """Make it and print."""
    parser = argparse.ArgumentParser(description="the bundle that the benchmarks serve")
    parser.add_argument("folder", type=Path, nargs="?", default=V2M_BUNDLE)
    parser.add_argument("--backbone", default="efficientnetv2-m")
    parser.add_argument("--size", type=int, default=480)
    given = parser.parse_args()
    began = time.perf_counter()
    try:
        bundle = make(given.folder, backbone=given.backbone, size=given.size)
    except NotReplaceable as error:
        raise SystemExit(str(error)) from error
    graphs = {name: round(_megabytes(bundle, name), 1) for name in bundle.manifest.graphs}
    emit("models", began=began, share=1.0, model=about(bundle), megabytes=graphs)


def _megabytes(bundle: Bundle, graph: str) -> float:
    path = bundle.path / bundle.manifest.graphs[graph].path
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.stem}.*")) / 1e6


if __name__ == "__main__":
    main()
