"""python -m benchmarks.models [FOLDER --backbone NAME --size PIXELS]: the bundle that the benchmarks serve.

EfficientNetV2M at 480 pixels with random weights, as graphs for OpenVINO in fp32 and int8 and for Keras: no trained
one exists, and the speed is the same. Its answers mean nothing. Made once into .bench/v2m, and again when the code
that makes it has changed. Prints one JSON line.
"""

import argparse
import hashlib
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measuring import emit
from inference.bundle import Bundle, InvalidBundle, open_bundle
from tests.running import ROOT, STARTER

V2M = ROOT / ".bench" / "v2m"
PRECISIONS = ("fp32", "int8")
MAKERS = ("training", "inference/bundle.py", "inference/manifest.py", "tests/untrained.py")


def make(folder: Path, *, backbone: str, size: int) -> Bundle:
    """The bundle in `folder`, made if it is not there or was made by other code."""
    marker = folder.with_name(f"{folder.name}.made-by")
    code = _code()
    if marker.exists() and marker.read_text() == code:
        return open_bundle(folder)
    from tests.untrained import untrained_network
    from training.export import export

    folder.parent.mkdir(parents=True, exist_ok=True)
    config, network = untrained_network(backbone, size=size, graphs=("openvino-fp32", "keras"))
    export(network, folder, config=config, findings=None)
    command = [sys.executable, "-m", "training", "quantise", str(folder), "--ungated"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    marker.write_text(code)
    return open_bundle(folder)


def precisions(bundle: Bundle) -> tuple[str, ...]:
    """Those that the bundle has OpenVINO graphs for."""
    return tuple(each for each in PRECISIONS if f"openvino-{each}" in bundle.manifest.graphs)


def opened(folder: Path) -> Bundle:
    """The bundle. Exits with what to do if there is none."""
    try:
        return open_bundle(folder)
    except InvalidBundle as error:
        raise SystemExit(f"{error} First: python -m benchmarks.models") from error


def about(bundle: Bundle) -> str:
    """Backbone and size, for the tables."""
    return f"{bundle.manifest.backbone} at {bundle.manifest.preprocessing.size} px"


def served(folder: Path, *, only: str | None) -> dict[str, tuple[Bundle, str]]:
    """What the services are measured with: name -> bundle and precision. The starter, and the bundle in each precision.

    Exits with the names there are if `only` is none of them.
    """
    found = {"starter": (open_bundle(STARTER), "auto")}
    if only != "starter":
        bundle = opened(folder)
        found |= {f"V2M {each}": (bundle, each) for each in precisions(bundle)}
    if only and only not in found:
        raise SystemExit(f"There is no {only!r} to measure; there are: {', '.join(found)}.")
    return {only: found[only]} if only else found


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
    parser.add_argument("folder", type=Path, nargs="?", default=V2M)
    parser.add_argument("--backbone", default="efficientnetv2-m")
    parser.add_argument("--size", type=int, default=480)
    given = parser.parse_args()
    began = time.perf_counter()
    bundle = make(given.folder, backbone=given.backbone, size=given.size)
    graphs = {name: round(_megabytes(bundle, name), 1) for name in bundle.manifest.graphs}
    emit("models", began=began, share=1.0, model=about(bundle), megabytes=graphs)


def _megabytes(bundle: Bundle, graph: str) -> float:
    path = bundle.path / bundle.manifest.graphs[graph].path
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.stem}.*")) / 1e6


if __name__ == "__main__":
    main()
