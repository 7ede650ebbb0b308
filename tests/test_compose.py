"""What docker-compose.yml, its settings and the service say of each other. The system itself: make test-deploy."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from service.settings import Settings
from tests.support.paths import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def test_every_variable_is_documented_with_its_default() -> None:
    """.env.example shows the default as a comment, or, where a name of one's own belongs, an example."""
    documented = dict(re.findall(r"^#(LUNAR_\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    used = dict(VARIABLE.findall(TEXT))
    assert "$" not in VARIABLE.sub("", TEXT), "a variable without a default"
    assert documented.keys() == used.keys()
    differing = {name for name in used if used[name] != documented[name]}
    assert differing == {"LUNAR_ALLOWED_HOSTS"}


@pytest.mark.parametrize("name", ["service", "service-gpu"])
def test_the_service_knows_every_setting(name: str) -> None:
    settings = {f"LUNAR_{field.upper()}" for field in Settings.model_fields}
    assert SERVICES[name]["environment"].keys() <= settings


@pytest.mark.parametrize("name", ["service", "service-gpu"])
def test_a_version_that_grows_ends_before_its_container(name: str) -> None:
    """Otherwise the engine kills something. The starter takes half a gigabyte."""
    limit, candidate = (
        VARIABLE.sub(r"\2", str(value))
        for value in (SERVICES[name]["mem_limit"], SERVICES[name]["environment"]["LUNAR_CANDIDATE_MEMORY_MB"])
    )
    megabytes = float(limit[:-1]) * {"m": 1, "g": 1000}[limit[-1]]
    assert float(candidate) + 700 < megabytes


def test_images_are_pinned() -> None:
    for name, service in SERVICES.items():
        tag = service["image"].rpartition(":")[2]
        assert re.match(r"v?\d", tag), f"{name}: {tag}"


def test_the_proxy_and_the_engine_wait_longer_than_the_service() -> None:
    allowed = Settings().request_timeout_s
    proxy = re.findall(r"timeout server (\d+)s", (ROOT / "deploy/haproxy.cfg").read_text())
    assert [float(each) > allowed for each in proxy] == [True]
    assert float(SERVICES["service"]["stop_grace_period"].removesuffix("s")) > allowed


def test_every_container_is_hardened_and_bounded() -> None:
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service.get("ports", []) == [] or name in ("proxy", "grafana", "orthanc")


def test_only_the_forwarder_reaches_both_orthanc_and_the_service() -> None:
    orthanc, forward, service = (set(SERVICES[name]["networks"]) for name in ("orthanc", "forward", "service"))
    assert not orthanc & service
    assert (forward & orthanc, forward & service) == ({"pacs"}, {"front"})
    assert yaml.safe_load(TEXT)["networks"]["pacs"] == {"internal": True}
    assert {SERVICES[name]["image"] for name in ("orthanc", "forward")} == {"lunar-orthanc:0.2.0"}


def test_orthanc_and_the_forwarder_agree_on_names_ports_and_folders() -> None:
    deployed = json.loads((ROOT / "deploy/orthanc.json").read_text())
    orthanc, environment = SERVICES["orthanc"], SERVICES["forward"]["environment"]
    addresses = {name: urlsplit(environment[f"{name}_URL"]) for name in ("ORTHANC", "LUNAR")}
    assert (addresses["ORTHANC"].hostname, addresses["ORTHANC"].port) == ("orthanc", deployed["HttpPort"])
    assert [port.rpartition(":")[2] for port in orthanc["ports"]] == [
        *(str(deployed["DicomPort"]), str(deployed["HttpPort"]))
    ]
    assert addresses["LUNAR"].hostname in SERVICES["service"]["environment"]["LUNAR_ALLOWED_HOSTS"].split(",")
    assert deployed["RegisteredUsers"] == {environment["ORTHANC_USER"]: "${ORTHANC_PASSWORD}"}
    assert deployed["AuthenticationEnabled"] is True
    assert f"orthanc:{deployed['StorageDirectory']}" in orthanc["volumes"]
    assert f"forward:{environment['FORWARD_STATE'].rpartition('/')[0]}" in SERVICES["forward"]["volumes"]
    example = json.loads((ROOT / "examples/orthanc/orthanc.json").read_text())
    for name in ("Plugins", "DicomWeb", "DicomAet", "UnknownSopClassAccepted", "OverwriteInstances"):
        assert deployed[name] == example[name], name
