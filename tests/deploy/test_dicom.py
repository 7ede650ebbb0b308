"""The profile dicom, as docs/integration.md says: an Orthanc and its forwarder beside the service."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.deploy.engine import Engine
from tests.deploy.stack import Stack
from tests.support import http
from tests.support.dicom_files import STUDY, dicom_file
from tests.support.dicomweb import modalities
from tests.support.processes import free_port
from tests.support.waiting import LIMIT_S

OVERRIDE = {"services": {"service": {"image": "lunar-dicom"}}}  # built with LUNAR_LOCK=requirements-dicom.lock
PARTS = ("orthanc", "forward", "service")
DICOM, WEB = free_port(), free_port()
ADDRESS = f"http://127.0.0.1:{WEB}"


@pytest.fixture(scope="module")
def hospital(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment whose service is alone: without a registry it serves the starter."""
    made = Stack(engine, tmp_path_factory.mktemp("hospital") / "lunar", project="lunar-hospital")
    made.settings |= {"COMPOSE_PROFILES": "dicom", "LUNAR_FRONT_SUBNET": "10.213.8.0/26"}
    made.settings |= {"LUNAR_DICOM_PORT": str(DICOM), "LUNAR_ORTHANC_PORT": str(WEB)}
    (made.folder / "docker-compose.override.yml").write_text(json.dumps(OVERRIDE))
    made.compose("down", "--volumes", check=False)  # of a run that was broken off
    made.make_secrets("--dicom")
    made.compose("up", "-d", "--no-build", "--no-deps", *PARTS)
    made.wait(lambda: "Orthanc has started" in made.compose("logs", "orthanc"), "Orthanc starts")
    yield made
    made.compose("down", "--volumes")


@pytest.fixture
def login(hospital: Stack) -> httpx2.BasicAuth:
    return httpx2.BasicAuth("lunar", (hospital.folder / "secrets/orthanc_password").read_text())


def send(folder: Path, number: int) -> None:
    """By C-STORE, as a camera does."""
    if not shutil.which("storescu"):
        pytest.skip("storescu is not installed (Debian: dcmtk)")
    file = folder / "sent.dcm"
    file.write_bytes(dicom_file(SOPInstanceUID=f"{STUDY}.1.{number}"))
    subprocess.run(["storescu", "-R", "127.0.0.1", str(DICOM), str(file)], check=True, timeout=LIMIT_S)


def stored(login: httpx2.BasicAuth) -> list[str]:
    try:
        return modalities(ADDRESS, STUDY, auth=login)
    except httpx2.TransportError:
        return []  # it starts


def complaints(hospital: Stack) -> int:
    return hospital.compose("logs", "forward").count("trying again")


def test_a_photograph_gets_its_report_and_its_picture(hospital: Stack, login: httpx2.BasicAuth, tmp_path: Path) -> None:
    send(tmp_path, 1)
    hospital.wait(lambda: stored(login) == ["DMS", "OT", "SR"], "report and picture")
    assert http.get(f"{ADDRESS}/system").status_code == 401, "nothing without the password"


def test_while_everything_but_orthanc_is_away_nothing_is_lost_and_nothing_comes_twice(
    hospital: Stack, login: httpx2.BasicAuth, tmp_path: Path
) -> None:
    hospital.compose("stop", "service")
    before = complaints(hospital)
    send(tmp_path, 2)
    hospital.wait(lambda: complaints(hospital) > before, "the forwarder notices")
    hospital.compose("stop", "forward")
    assert hospital.containers("forward")[0]["State"]["ExitCode"] == 0, "it ends when it is told to"
    send(tmp_path, 3)
    hospital.compose("up", "-d", "--no-build", "--no-deps", "--force-recreate", *PARTS)
    expected = ["DMS"] * 3 + ["OT"] * 3 + ["SR"] * 3
    hospital.wait(lambda: stored(login) == expected, "each has its results, once")
