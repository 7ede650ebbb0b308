"""Where the dependencies come from: locks that are hashed and name no host, and a list of them for others."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LOCKS = sorted(ROOT.glob("requirements*.lock"))
PINNED = re.compile(
    r"^([a-z0-9-]+)(?:\[[^]]+\])?==(\S+?)(?: ;[^\\]*)? \\\n(    --hash=sha256:[0-9a-f]{64})", re.MULTILINE
)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_dependency_is_pinned_with_a_hash_and_no_host_is_named(lock: Path) -> None:
    text = lock.read_text()
    named = re.findall(r"^\w.*$", text, re.MULTILINE)
    assert named
    assert len(PINNED.findall(text)) == len(named)
    assert "://" not in text
    assert not re.search(r"^ *--(?!hash=)", text, re.MULTILINE), "an option, such as an index"


def test_the_bill_of_materials_names_what_the_service_installs(tmp_path: Path) -> None:
    """What `make sbom` runs."""
    target = tmp_path / "sbom.json"
    lock = ROOT / "requirements.lock"
    options = ["--pyproject", "pyproject.toml", "--output-reproducible", "--of", "JSON", "-o", str(target), str(lock)]
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    document = json.loads(target.read_text())
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "lunar"
    listed = {(each["name"].lower(), each["version"]) for each in document["components"]}
    assert listed == {(name, version) for name, version, _ in PINNED.findall(lock.read_text())}
    assert "mlflow-skinny" in {name for name, _ in listed}
