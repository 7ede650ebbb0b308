"""deploy/kubernetes/kserve: the pod in it is valid by Kubernetes's own schema, and it runs as the Deployment does.

KServe's own schema is not here; what an InferenceService adds to a pod is compared by hand.
"""

import kubernetes_validate
import yaml

from tests.support.paths import ROOT

MANIFEST = yaml.safe_load((ROOT / "deploy/kubernetes/kserve/inference-service.yaml").read_text())
PREDICTOR = MANIFEST["spec"]["predictor"]
KSERVES_OWN = {"minReplicas"}


def test_the_predictor_is_a_valid_pod() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": MANIFEST["metadata"],
        "spec": {name: value for name, value in PREDICTOR.items() if name not in KSERVES_OWN},
    }
    assert kubernetes_validate.validate(pod, "1.30", strict=True) == "1.30"
    assert (MANIFEST["apiVersion"], MANIFEST["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")


def test_it_runs_as_the_deployment_does() -> None:
    deployment = yaml.safe_load((ROOT / "deploy/kubernetes/deployment.yaml").read_text())["spec"]["template"]["spec"]
    ours, (theirs,) = PREDICTOR["containers"][0], deployment["containers"]
    for name in ("envFrom", "securityContext", "resources", "volumeMounts"):
        assert ours[name] == theirs[name], name
    own = [each for each in ours["env"] if each not in theirs["env"]]
    assert [each["name"] for each in own] == ["LUNAR_ALLOWED_HOSTS"]
    assert "lunar-predictor" in own[0]["value"], "as KServe names the service"
    assert [each for each in ours["env"] if each not in own] == theirs["env"]
    kustomization = yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text())
    (image,) = [each for each in kustomization["images"] if each["name"] == theirs["image"]]
    assert ours["image"] == f"{theirs['image']}:{image['newTag']}"
    for name in ("securityContext", "volumes"):
        assert PREDICTOR[name] == deployment[name], name


def test_the_probe_is_the_deployments() -> None:
    deployment = yaml.safe_load((ROOT / "deploy/kubernetes/deployment.yaml").read_text())["spec"]["template"]["spec"]
    probe, theirs = (each["containers"][0]["readinessProbe"]["httpGet"] for each in (PREDICTOR, deployment))
    assert (probe["path"], probe["httpHeaders"]) == (theirs["path"], theirs["httpHeaders"])
    assert probe["port"] == PREDICTOR["containers"][0]["ports"][0]["containerPort"] == 8000
