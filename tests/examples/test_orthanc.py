"""examples/orthanc with a real Orthanc and the real service, which is away at first: nothing lost, nothing twice."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.parser import BytesParser
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread, uid

from tests.support import http
from tests.support.dicom_files import PATIENT, STUDY, dicom_file
from tests.support.dicomweb import found_by_qido, modalities
from tests.support.homes import copy_home
from tests.support.paths import ROOT
from tests.support.processes import free_port, stop, wait_until_up
from tests.support.service_process import running_service
from tests.support.waiting import LIMIT_S, wait_for

EXAMPLE = ROOT / "examples/orthanc"
NEEDED = ("Orthanc", "storescu")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, NEEDED)) or not Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so").exists(),
        reason="Orthanc is not installed (Debian: orthanc, orthanc-dicomweb, dcmtk)",
    ),
]
SENT = [dicom_file(SOPInstanceUID=f"{STUDY}.1.{number}") for number in (1, 2)]
ANOTHER = dicom_file(SOPInstanceUID=f"{STUDY}.1.3", sop_class=uid.CTImageStorage)


@contextmanager
def running_orthanc(folder: Path) -> Iterator[tuple[str, int]]:
    """Its address and its DICOM port; the example's configuration with other ports and another folder."""
    port, dicom_port = free_port(), free_port()
    changes = {"HttpPort": port, "DicomPort": dicom_port, "StorageDirectory": str(folder / "db")}
    settings = json.loads((EXAMPLE / "orthanc.json").read_text()) | changes
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = folder / "orthanc.log"
    with log.open("wb") as output:
        command = ["Orthanc", str(folder / "orthanc.json")]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        try:
            wait_until_up(f"http://127.0.0.1:{port}/system", process, log)
            yield f"http://127.0.0.1:{port}", dicom_port
        finally:
            stop(process)


@contextmanager
def forwarding(orthanc: str, lunar: str, folder: Path) -> Iterator[Path]:
    """The example; yields its log."""
    log = folder / "forward.log"
    environment = os.environ | {"ORTHANC_URL": orthanc, "LUNAR_URL": lunar, "FORWARD_STATE": str(folder / "state")}
    with log.open("wb") as output:
        command = [sys.executable, str(EXAMPLE / "forward.py")]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            yield log
        finally:
            stop(process)
    assert process.returncode == 0, "it ends when it is told to"


def fetched_by_wado(orthanc: str, found: dict) -> Dataset:
    series, instance = (found[tag]["Value"][0] for tag in ("0020000E", "00080018"))
    answer = http.get(f"{orthanc}/dicom-web/studies/{STUDY}/series/{series}/instances/{instance}")
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    (part,) = BytesParser().parsebytes(head + answer.content).get_payload()
    return dcmread(io.BytesIO(part.get_payload(decode=True)))


def stow(orthanc: str, data: bytes) -> None:
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--x--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=x'
    assert http.post(f"{orthanc}/dicom-web/studies", content=body, headers={"Content-Type": kind}).is_success


def test_new_instances_get_their_results(starter_home: Path, tmp_path: Path) -> None:
    lunar_port = free_port()
    lunar = f"http://127.0.0.1:{lunar_port}"
    with running_orthanc(tmp_path) as (orthanc, dicom_port), forwarding(orthanc, lunar, tmp_path) as log:
        file = tmp_path / "sent.dcm"
        file.write_bytes(SENT[0])
        subprocess.run(["storescu", "-R", "127.0.0.1", str(dicom_port), str(file)], check=True, timeout=LIMIT_S)
        wait_for(lambda: "trying again" in log.read_text(), "the example notices that Lunar is away")
        stow(orthanc, SENT[1])
        stow(orthanc, ANOTHER)
        assert modalities(orthanc, STUDY) == ["DMS"] * 3
        with running_service(copy_home(starter_home, tmp_path / "home"), port=str(lunar_port)):
            expected = ["DMS"] * 3 + ["OT"] * 2 + ["SR"] * 2
            wait_for(lambda: modalities(orthanc, STUDY) == expected, lambda: f"results\n{log.read_text()}")
            (tmp_path / "again").mkdir()
            with forwarding(orthanc, lunar, tmp_path / "again") as again:  # it knows nothing, and asks once more
                wait_for(lambda: again.read_text().count("stored") >= 2, lambda: again.read_text())
            assert modalities(orthanc, STUDY) == expected
        for each in found_by_qido(orthanc, STUDY):
            result = fetched_by_wado(orthanc, each)
            assert (result.StudyInstanceUID, result.PatientID) == (STUDY, PATIENT["PatientID"])
