"""The engine, its images, one running deployment, and the report of what was found. `make test-deploy`."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from tests.deploy.engine import Engine, NoEngine, running_engine
from tests.deploy.stack import Stack
from tests.deploy.stand_ins import provide
from tests.support.paths import ROOT
from training.data.synthetic_lesions import draw_lesion

SCRATCH = ROOT / ".deploy"  # the engine's data stay there: a second run builds little
BUILT = {
    "service": "lunar-service:0.2.0",
    "mlflow": "lunar-mlflow:3.17.2",
    "training": "lunar-training:0.2.0",
    "orthanc": "lunar-orthanc:0.2.0",
}
PROVEN_PROFILES = {"prom/prometheus:v3.5.0"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
Report = dict[str, Any]


@pytest.fixture(scope="session")
def report() -> Iterator[Report]:
    """Filled by the tests; .deploy/report.json in the end."""
    found: Report = {"cores": os.cpu_count()}
    yield found
    (SCRATCH / "report.json").write_text(json.dumps(found, indent=2) + "\n")


@pytest.fixture(scope="session")
def building(report: Report) -> Iterator[Engine]:
    """An engine that builds. Without one, every test here is skipped with the reason."""
    SCRATCH.mkdir(exist_ok=True)
    try:
        with running_engine(SCRATCH / "engine") as engine:
            yield engine
    except NoEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def images(building: Engine, report: Report) -> dict[str, str]:
    """Every image that is needed, built or found; by target of the Dockerfile."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].values()
    official = {each["image"] for each in services if "build" not in each and "profiles" not in each}
    official = (official | PROVEN_PROFILES) - {*BUILT.values()}
    official |= set(re.findall(r"^FROM (\S+:\S+)", DOCKERFILE, re.MULTILINE))
    report["official images"] = provide(building, official, scratch=SCRATCH)
    report["build_s"] = {
        target: round(building.build(DOCKERFILE, tag, context=ROOT, target=target), 1) for target, tag in BUILT.items()
    }
    dicom = {"target": "service", "lock": "requirements-dicom.lock"}
    report["build_s"]["service with DICOM"] = round(building.build(DOCKERFILE, "lunar-dicom", context=ROOT, **dicom), 1)
    space = (ROOT / "deploy/space/Dockerfile").read_text()
    building.build(f"{DOCKERFILE}\n{space}", "lunar-space", context=ROOT)
    return BUILT | {"space": "lunar-space", "dicom": "lunar-dicom"}


@pytest.fixture(scope="session")
def rebuilt_s(building: Engine, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the service's image takes after a change of its code."""
    copy = tmp_path_factory.mktemp("changed") / "checkout"
    ignore = shutil.ignore_patterns(".git", ".venv*", ".deploy", "tests", "docs", "*_cache")
    shutil.copytree(ROOT, copy, ignore=ignore, symlinks=True)
    with (copy / "service/app.py").open("a") as code:
        code.write("# changed\n")
    return building.build(DOCKERFILE, "lunar-changed", context=copy, target="service")


@pytest.fixture(scope="session")
def engine(building: Engine, images: dict[str, str], rebuilt_s: float) -> Engine:
    """The same, with everything built and with networks for its containers."""
    try:
        building.isolate()
    except NoEngine as reason:
        pytest.skip(str(reason))
    return building


@pytest.fixture(scope="session")
def image() -> bytes:
    """A drawn lesion as a JPEG."""
    done, encoded = cv2.imencode(".jpg", draw_lesion(width=600, height=450, seed=1)[..., ::-1])
    assert done
    return encoded.tobytes()


@pytest.fixture(scope="session")
def stack(engine: Engine, report: Report, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment with three replicas, made as docs/deployment.md says; `stack.key` opens its API."""
    made = Stack(engine, tmp_path_factory.mktemp("host") / "lunar", project="lunar-test")
    made.compose("down", "--volumes", "--remove-orphans", check=False)  # of a run that was broken off
    made.key = made.make_secrets()
    report["first start, until all is healthy, s"] = round(made.up(), 1)
    yield made
    made.compose("down", "--volumes")


@pytest.fixture(scope="session")
def keyed(stack: Stack) -> dict[str, str]:
    return {"X-API-Key": stack.key}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a backup goes."""
    return tmp_path_factory.mktemp("backup") / "registry"
