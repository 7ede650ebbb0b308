"""What the images are: how large, of what, for whom, and how quickly made again."""

import json
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.deploy.engine import Engine
from tests.support import http
from tests.support.processes import free_port
from tests.support.waiting import wait_for

LARGEST_MB = 900
_SIZES = "du -m -d1 /opt/venv/lib/python3.11/site-packages /app | sort -rn | head -12"
# As docker-compose.yml asks for, and without any network.
LOCKED = [
    *("--rm", "--network=none", "--read-only", "--tmpfs=/tmp"),
    *("--cap-drop=ALL", "--security-opt=no-new-privileges"),
]


def inside(engine: Engine, image: str, *command: str) -> str:
    return engine.run("run", *LOCKED, "--entrypoint", command[0], image, *command[1:])


def test_the_service_is_small_enough(engine: Engine, images: dict[str, str], report: dict[str, object]) -> None:
    sizes = {name: int(engine.run("inspect", "--format={{.Size}}", tag)) // 1_000_000 for name, tag in images.items()}
    base = int(engine.run("inspect", "--format={{.Size}}", "python:3.11-slim-bookworm")) // 1_000_000
    report["image_MB"] = sizes | {"of these, the base": base}
    report["service, largest parts, MB"] = inside(engine, images["service"], "sh", "-c", _SIZES).splitlines()
    assert sizes["service"] <= LARGEST_MB


def test_after_a_change_of_the_code_the_packages_are_not_made_again(
    engine: Engine, images: dict[str, str], rebuilt_s: float, report: dict[str, object]
) -> None:
    """Only the last layer differs, the one of the code."""
    report["rebuild after a change of the code, s"] = round(rebuilt_s, 1)
    before, after = (
        json.loads(engine.run("inspect", "--format={{json .RootFS.Layers}}", tag))
        for tag in (images["service"], "lunar-changed")
    )
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


@pytest.mark.parametrize("target", ["service", "mlflow", "training", "orthanc"])
def test_nobody_is_root_and_nothing_compiles(engine: Engine, images: dict[str, str], target: str) -> None:
    assert json.loads(engine.run("inspect", images[target]))[0]["Config"]["User"] == "10001:10001"
    assert inside(engine, images[target], "sh", "-c", "command -v gcc cc g++ c++ make curl || true") == ""
    writable = "find /opt /app -not -type l -perm /0022"
    assert inside(engine, images[target], "sh", "-c", writable) == "", "not even the owner's group may change the code"


def test_the_service_has_no_training_libraries(engine: Engine, images: dict[str, str]) -> None:
    names = ("tensorflow", "keras", "pandas", "sklearn", "scipy", "pyarrow", "pip", "pytest", "flask", "training")
    code = f"from importlib.util import find_spec; print([name for name in {names!r} if find_spec(name)])"
    # Of the environment: the base image has a pip of its own.
    assert inside(engine, images["service"], "python", "-c", code) == "[]"
    assert inside(engine, images["training"], "python", "-c", code).startswith("['tensorflow', 'keras', 'pandas'")


@pytest.mark.parametrize("target", ["service", "training"])
def test_bytecode_is_there(engine: Engine, images: dict[str, str], target: str) -> None:
    """A read-only container could not keep it, and would compile at every start."""
    code = """
import glob, os
files = glob.glob('/app/**/*.py', recursive=True) + glob.glob('/opt/venv/lib/**/site-packages/**/*.py', recursive=True)
from importlib.util import cache_from_source
stale = [f for f in files if not os.path.exists(cache_from_source(f))]
print(len(files), len(stale))
"""
    files, missing = map(int, inside(engine, images[target], "python", "-c", code).split())
    assert files > 1000
    assert missing < files / 100, "templates of code and tests of other Pythons cannot be compiled"


@pytest.fixture
def space(engine: Engine, images: dict[str, str]) -> Iterator[str]:
    """The image of deploy/space as a Space runs it: port 7860, as user 1000."""
    port = free_port()
    options = ["--detach", "--user=1000", f"--publish=127.0.0.1:{port}:7860", "--network=lunar-space"]
    engine.run("network", "create", "lunar-space")
    try:
        container = engine.run("run", *options, images["space"])
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            engine.run("rm", "--force", container)
    finally:
        engine.run("network", "rm", "lunar-space")


def test_a_space_shows_the_page_with_the_starter(space: str, image: bytes, report: dict[str, object]) -> None:
    def is_ready() -> bool:
        try:
            return http.get(f"{space}/health/ready").status_code == 200
        except httpx2.TransportError:
            return False

    begun = time.monotonic()
    wait_for(is_ready, "the Space is ready")
    report["a Space, until it is ready, s"] = round(time.monotonic() - begun, 1)
    assert "<form" in http.get(f"{space}/", headers={"Host": "somebody-lunar.example"}).text
    answer = http.post(f"{space}/explain", files={"file": image}).json()
    assert answer["model"]["version"] == "1"
    assert "stale_model" not in [warning["code"] for warning in answer["warnings"]]


def test_the_service_refuses_to_start_open(engine: Engine, images: dict[str, str]) -> None:
    """The default of the image: at an address that others reach, and without keys."""
    with pytest.raises(RuntimeError, match="there are no API keys"):
        engine.run("run", *LOCKED, images["service"])
