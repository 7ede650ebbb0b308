"""The deployment from outside, as people and programs meet it, and from below, as the engine sees it."""

import json
import socket
from ipaddress import ip_address, ip_network

import pytest

from inference.bundle.storage import open_bundle
from tests.deploy.stack import REPLICAS, Stack
from tests.support.paths import ROOT, STARTER
from tests.support.variants import variant

LASTING = {"proxy": 1, "service": REPLICAS, "mlflow": 1, "postgres": 1}
CLOSED = ["/metrics", "/metrics/", "//metrics", "/%6detrics", "/%6Detrics?x=1"]


def test_the_compose_file_is_the_project_s(stack: Stack) -> None:
    assert (stack.folder / "docker-compose.yml").read_bytes() == (ROOT / "docker-compose.yml").read_bytes()


def test_a_program_with_a_key_gets_an_explanation(stack: Stack, keyed: dict[str, str], image: bytes) -> None:
    response = stack.ask("POST", "/explain", files={"file": image}, headers=keyed)
    assert response.status_code == 200
    answer = response.json()
    assert answer["model"]["name"] == "skin-lesion"
    assert answer["explanations"][0]["heatmap"]
    assert "not a medical device" in answer["disclaimer"] or "no es un producto sanitario" in answer["disclaimer"]
    assert "stale_model" not in [warning["code"] for warning in answer["warnings"]]


def test_without_a_key_the_api_is_closed_and_the_page_open(stack: Stack, image: bytes) -> None:
    assert stack.ask("POST", "/explain", files={"file": image}).status_code == 401
    page = stack.ask("GET", "/")
    cookie = {"Cookie": page.headers["set-cookie"].partition(";")[0]}
    assert "<form" in page.text
    results = [stack.ask("POST", "/result", files={"file": image}, headers=cookie) for _ in range(2 * REPLICAS)]
    assert [result.status_code for result in results] == [200] * (2 * REPLICAS), "every replica knows the session"


@pytest.mark.parametrize("path", CLOSED)
def test_metrics_are_for_the_inside(stack: Stack, keyed: dict[str, str], path: str) -> None:
    assert stack.ask("GET", path, headers=keyed).status_code == 404


def test_metrics_are_there_inside(stack: Stack) -> None:
    """Asked by the address of a replica, as Prometheus does."""
    code = "import socket; from urllib.request import urlopen; a = socket.gethostbyname(socket.gethostname());"
    code += "print(urlopen(f'http://{a}:8000/metrics').status)"
    assert stack.compose("exec", "-T", "service", "python", "-c", code) == "200"


def test_only_known_names_are_answered(stack: Stack) -> None:
    for host, status in {"lunar.test": 200, "evil.test": 400}.items():
        assert stack.ask("GET", "/", headers={"Host": host}).status_code == status


def test_an_image_of_several_megabytes_passes_and_too_many_bytes_do_not(stack: Stack, keyed: dict[str, str]) -> None:
    for megabytes, status in ((5, 415), (25, 413)):
        sent = stack.ask("POST", "/predict", content=b"x" * megabytes * 1_000_000, headers=keyed)
        assert sent.status_code == status


def test_the_proxy_is_believed_about_addresses_and_nobody_else(stack: Stack) -> None:
    code = "import os; print(os.environ['LUNAR_TRUSTED_PROXIES'])"
    trusted = ip_network(stack.compose("exec", "-T", "service", "python", "-c", code))
    addresses = {
        service: [
            ip_address(network["IPAddress"])
            for container in stack.containers(service)
            for network in container["NetworkSettings"]["Networks"].values()
        ]
        for service in ("proxy", "mlflow", "postgres")
    }
    assert any(address in trusted for address in addresses["proxy"])
    assert not any(address in trusted for service in ("mlflow", "postgres") for address in addresses[service])


def test_only_the_proxy_has_ports(stack: Stack) -> None:
    published = {
        service: [
            port for container in stack.containers(service) for port in container["HostConfig"]["PortBindings"] or {}
        ]
        for service in LASTING
    }
    assert published == {"proxy": ["8080/tcp", "8443/tcp"], "service": [], "mlflow": [], "postgres": []}
    bindings = stack.containers("proxy")[0]["HostConfig"]["PortBindings"].values()
    assert {each["HostIp"] for binding in bindings for each in binding} == {"127.0.0.1"}, "until .env says otherwise"


@pytest.mark.parametrize("service", LASTING)
def test_every_container_is_locked_down(stack: Stack, service: str) -> None:
    """What the kernel says of the first process, and what happens to whoever tries to write."""
    containers = stack.containers(service)
    assert len(containers) == LASTING[service]
    for container in containers:
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
        assert 0 < container["HostConfig"]["Memory"] <= 2 * 1024**3
        status = dict(
            line.split(":\t") for line in _inside(stack, container, "cat /proc/1/status").splitlines() if ":\t" in line
        )
        assert int(status["Uid"].split()[0]) != 0
        assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")} == {0}
        assert status["NoNewPrivs"] == "1"
        assert "Read-only file system" in _inside(stack, container, "echo x 2>&1 >/usr/x || true; true")
        limit = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes"
        assert int(_inside(stack, container, limit)) == container["HostConfig"]["Memory"]


def test_the_database_and_the_registry_reach_nothing_outside(stack: Stack) -> None:
    for service in ("postgres", "mlflow", "service"):
        networks = stack.containers(service)[0]["NetworkSettings"]["Networks"]
        found = json.loads(stack.engine.run("network", "inspect", *networks))
        assert [each["Internal"] for each in found] == [True] * len(networks)


def test_a_second_version_is_promoted_and_served(
    stack: Stack,
    keyed: dict[str, str],
    image: bytes,
    tmp_path_factory: pytest.TempPathFactory,
    report: dict[str, object],
) -> None:
    bundle = variant(open_bundle(STARTER), tmp_path_factory.mktemp("second") / "bundle", temperature=2.0)
    before = stack.ask("POST", "/predict", files={"file": image}, headers=keyed).json()
    published = _train(stack, "publish", "/bundle", mount=f"{bundle.path}:/bundle:ro")
    assert published.endswith("@candidate is version 2")
    _train(stack, "promote")
    served = {"2": 0}

    def all_serve_it() -> bool:
        answers = [stack.ask("POST", "/predict", files={"file": image}, headers=keyed).json() for _ in range(REPLICAS)]
        served.update({"now": all(answer["model"]["version"] == "2" for answer in answers)})
        return bool(served["now"])

    report["promoted, until every replica serves it, s"] = round(stack.wait(all_serve_it, "every replica serves it"), 1)
    after = stack.ask("POST", "/predict", files={"file": image}, headers=keyed).json()
    assert after["model"]["version"] == "2"
    assert after["prediction"]["class"] == before["prediction"]["class"]
    assert after["prediction"]["probability"] < before["prediction"]["probability"], "twice as warm, less sure"


def _train(stack: Stack, *command: str, mount: str | None = None) -> str:
    """`docker-compose run training COMMAND`, the way documented."""
    volumes = ["--volume", mount] if mount else []
    return stack.compose("run", "--rm", "-T", *volumes, "training", *command).splitlines()[-1]


def _inside(stack: Stack, container: dict[str, object], command: str) -> str:
    return stack.engine.run("exec", str(container["Id"]), "sh", "-c", command)


def test_nothing_listens_where_nothing_should(stack: Stack) -> None:
    for port in (5000, 5432, 8000, 8404):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, port


def test_prometheus_finds_every_replica(stack: Stack) -> None:
    """The profile observability, with the project's own configuration and rules."""
    stack.compose("--profile", "observability", "up", "-d", "--no-build", "--no-deps", "prometheus")

    def query(path: str) -> list[dict[str, object]]:
        code = f"from urllib.request import urlopen; print(urlopen('http://prometheus:9090/api/v1/{path}').read().decode())"
        replica = stack.containers("service")[0]
        answer = stack.engine.run("exec", str(replica["Id"]), "python", "-c", code, check=False)
        return list(json.loads(answer or '{"data": {"result": []}}')["data"]["result"])

    up = "query?query=up{job=%22lunar%22}"
    stack.wait(lambda: [each["value"][1] for each in query(up)] == ["1"] * REPLICAS, "Prometheus finds every replica")
    assert query("query?query=count(lunar_model_info)")[0]["value"][1] == str(REPLICAS)
