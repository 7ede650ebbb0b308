"""deploy/kubernetes: valid by Kubernetes's own schemas, and true of the service that it starts.

No cluster was at hand: nothing here was ever applied to one. ServiceMonitor is not Kubernetes's own, and its schema is
not here; it is only compared with what it has to fit.
"""

import copy
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fastapi.testclient import TestClient
from kubernetes_validate.utils import latest_version, major_minor

from service.app import create_app
from service.security.api_key import new_key
from service.settings import Settings
from tests.support.paths import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
FOREIGN = {"ServiceMonitor"}
OLDEST = "1.30"  # the first that sleeps before it stops, without being asked to try that out
NEWEST = major_minor(latest_version())
Manifest = dict[str, Any]


def read(name: str) -> Manifest:
    return dict(yaml.safe_load((FOLDER / name).read_text()))


KUSTOMIZATION = read("kustomization.yaml")
MANIFESTS = {manifest["kind"]: manifest for name in KUSTOMIZATION["resources"] for manifest in [read(name)]}
POD = MANIFESTS["Deployment"]["spec"]["template"]
CONTAINER = POD["spec"]["containers"][0]
LABELS = POD["metadata"]["labels"]


def set_at(manifest: Manifest, path: str, value: object) -> Manifest:
    changed = here = copy.deepcopy(manifest)
    *way, last = (int(part) if part.isdecimal() else part for part in path.split("."))
    for part in way:
        here = here[part]  # type: ignore[index]
    here[last] = value  # type: ignore[index]
    return changed


def test_every_file_is_listed_and_holds_another_kind() -> None:
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    assert len(MANIFESTS) == len(files)
    assert {manifest["metadata"]["name"] for manifest in MANIFESTS.values()} == {"lunar"}


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("kind", [kind for kind in MANIFESTS if kind not in FOREIGN])
def test_a_manifest_is_valid(kind: str, version: str) -> None:
    assert kubernetes_validate.validate(MANIFESTS[kind], version, strict=True) == version


@pytest.mark.parametrize(("kind", "path", "value"), [
    ("Deployment", "spec.template.spec.containers.0.livenessprobe", {}),
    ("Deployment", "spec.template.spec.securityContext.runAsUser", "lunar"),
    ("HorizontalPodAutoscaler", "spec.maxReplicas", "many"),
    ("NetworkPolicy", "spec.ingres", []),
])  # fmt: skip
def test_the_schemas_find_slips(kind: str, path: str, value: object) -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(set_at(MANIFESTS[kind], path, value), OLDEST, strict=True)


@pytest.mark.parametrize(("kind", "path"), [
    ("Service", "spec.selector"), ("Deployment", "spec.selector.matchLabels"),
    ("PodDisruptionBudget", "spec.selector.matchLabels"), ("NetworkPolicy", "spec.podSelector.matchLabels"),
])  # fmt: skip
def test_a_selector_finds_the_pods(kind: str, path: str) -> None:
    found: Any = MANIFESTS[kind]
    for part in path.split("."):
        found = found[part]
    assert found
    assert found.items() <= LABELS.items()


def test_the_others_find_the_deployment_and_the_service() -> None:
    target = MANIFESTS["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    deployment, service = MANIFESTS["Deployment"], MANIFESTS["Service"]
    assert target == {"apiVersion": deployment["apiVersion"], "kind": "Deployment", "name": "lunar"}
    assert "replicas" not in deployment["spec"], "else every `apply` undoes the autoscaler's work"
    monitor = MANIFESTS["ServiceMonitor"]["spec"]
    assert monitor.keys() == {"selector", "endpoints"}
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (port,), (endpoint,) = service["spec"]["ports"], monitor["endpoints"]
    assert endpoint == {"port": port["name"], "path": "/metrics", "interval": "15s"}
    (exposed,) = CONTAINER["ports"]
    assert port["targetPort"] == exposed["name"]
    (allowed,) = MANIFESTS["NetworkPolicy"]["spec"]["ingress"]
    assert allowed["ports"] == [{"port": exposed["name"]}]


def test_a_pod_may_do_no_more_than_it_must() -> None:
    pod, container = POD["spec"]["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] and pod["runAsUser"] == pod["fsGroup"] == 10001
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["spec"]["automountServiceAccountToken"] is False
    assert POD["spec"]["enableServiceLinks"] is False, "else LUNAR_PORT=tcp://... is set for the Service called lunar"
    limit = CONTAINER["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    beside_it = int(limit.removesuffix("Mi")) * 2**20 / 1e6 - int(
        MANIFESTS["ConfigMap"]["data"]["LUNAR_CANDIDATE_MEMORY_MB"]
    )
    assert beside_it > 700, "for the service, while a version is verified: the pod is killed as a whole"
    writable = {mount["mountPath"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/tmp", "/var/lib/lunar"}  # noqa: S108
    mounted = {mount["name"] for mount in CONTAINER["volumeMounts"]}
    assert mounted == {volume["name"] for volume in POD["spec"]["volumes"]}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """What the service reads in such a pod; the secret's files lie elsewhere."""
    for name in [name for name in os.environ if name.startswith("LUNAR_")]:
        monkeypatch.delenv(name)
    key, _ = new_key("test", "user")
    (tmp_path / "keys.txt").write_text(f"{key.line}\n")
    variables = MANIFESTS["ConfigMap"]["data"] | {"LUNAR_SECRET": "x" * 64, "LUNAR_HOST": "0.0.0.0"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LUNAR_KEYS_FILE", str(tmp_path / "keys.txt"))
    monkeypatch.setenv("LUNAR_HOME", str(tmp_path))
    return Settings()


def test_every_variable_is_a_setting_and_every_value_is_allowed(settings: Settings) -> None:
    given = set(MANIFESTS["ConfigMap"]["data"]) | {each["name"] for each in CONTAINER["env"]}
    assert given <= {f"LUNAR_{name.upper()}" for name in Settings.model_fields}
    assert CONTAINER["envFrom"] == [{"configMapRef": {"name": MANIFESTS["ConfigMap"]["metadata"]["name"]}}]
    assert "lunar" in settings.allowed_hosts
    assert settings.fallback_bundle
    assert (ROOT / settings.fallback_bundle).is_dir()
    secret = {each["name"]: each.get("valueFrom") for each in CONTAINER["env"]}["LUNAR_SECRET"]
    assert secret == {"secretKeyRef": {"name": "lunar", "key": "secret"}}
    keys = next(each["value"] for each in CONTAINER["env"] if each["name"] == "LUNAR_KEYS_FILE")
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    items = {volume["name"]: volume.get("secret", {}).get("items") for volume in POD["spec"]["volumes"]}
    assert keys == f"{mounts['keys']}/{items['keys'][0]['path']}"
    assert POD["spec"]["terminationGracePeriodSeconds"] > settings.request_timeout_s + 5 + 3  # pause, spans


@pytest.mark.parametrize(("probe", "path"), [
    ("startupProbe", "/health/startup"), ("readinessProbe", "/health/ready"), ("livenessProbe", "/health/live"),
])  # fmt: skip
def test_a_probe_asks_what_such_a_service_answers(settings: Settings, probe: str, path: str) -> None:
    """With the headers that the kubelet would send; the model is not loaded, so that only liveness is 200."""
    asks = CONTAINER[probe]["httpGet"]
    assert (asks["path"], asks["port"]) == (path, "http")
    headers = {each["name"]: each["value"] for each in asks["httpHeaders"]}
    client = TestClient(create_app(settings), base_url="http://10.1.2.3:8000")
    assert client.get(path, headers=headers).status_code == (200 if path.endswith("live") else 503)


def test_metrics_need_no_key_there_and_the_rest_does(settings: Settings) -> None:
    client = TestClient(create_app(settings), base_url="http://lunar")
    monitor = MANIFESTS["ServiceMonitor"]["spec"]["endpoints"][0]
    assert client.get(monitor["path"]).status_code == 200
    assert client.get("/model").status_code == 401


def test_kustomize_puts_them_together() -> None:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("no kubectl on the path")
    done = subprocess.run([program, "kustomize", str(FOLDER)], capture_output=True, text=True, check=True)
    built = {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}
    assert built.keys() == MANIFESTS.keys()
    image = built["Deployment"]["spec"]["template"]["spec"]["containers"][0].pop("image")
    assert image == "lunar-service:0.2.0"
    expected = copy.deepcopy(MANIFESTS)
    expected["Deployment"]["spec"]["template"]["spec"]["containers"][0].pop("image")
    assert built == expected
