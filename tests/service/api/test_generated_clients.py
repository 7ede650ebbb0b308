"""Clients that are generated from the OpenAPI document: they compile, and the Python one calls the running service."""

import compileall
import importlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support import http
from tests.support.lesion_images import lesion
from tests.support.waiting import LIMIT_S


@pytest.fixture(scope="module")
def document(starter_service: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(http.get(f"{starter_service}/openapi.json").text)
    return path


def test_a_python_client_is_generated_and_gets_typed_answers(
    document: Path, starter_service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Path(sys.executable).parent
    command = [str(tools / "openapi-python-client"), "generate", "--path", str(document), "--meta", "none"]
    target = document.parent / "generated_lunar"
    done = subprocess.run(
        [*command, "--output-path", str(target)],
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert compileall.compile_dir(target, quiet=1)
    monkeypatch.syspath_prepend(str(document.parent))
    client = importlib.import_module("generated_lunar").Client(starter_service, timeout=httpx.Timeout(LIMIT_S))
    explain = importlib.import_module("generated_lunar.api.classification.explain")
    models, types = (importlib.import_module(f"generated_lunar.{name}") for name in ("models", "types"))

    def file(data: bytes) -> object:
        return types.File(payload=io.BytesIO(data), file_name="lesion.png")

    with client as opened:
        body = models.ExplainFilesBody(file=file(lesion("PNG")))
        answer = explain.sync(client=opened, body=body, method=models.ExplainMethod.GRADCAM_PLUS_PLUS)
        problem = explain.sync(client=opened, body=file(b"no image"))
    assert isinstance(answer, models.ExplainReply)
    assert answer.explanations[0].method.value == "gradcam++"
    assert isinstance(problem, models.ProblemReply)
    assert problem.status == 415


def test_types_for_typescript_are_generated_and_compile(document: Path) -> None:
    """LUNAR_NODE names a folder of `npm install openapi-typescript typescript`, which no test installs itself."""
    tools = Path(os.environ.get("LUNAR_NODE", "node_modules")) / "node_modules" / ".bin"
    if shutil.which("node") is None or not (tools / "openapi-typescript").exists():
        pytest.skip("no openapi-typescript: LUNAR_NODE names no folder that has it in node_modules")
    types = document.with_name("lunar.d.ts")
    use = document.with_name("use.ts")
    use.write_text(
        'import type { components, operations } from "./lunar";\n'
        'export const level = (reply: components["schemas"]["PredictReply"]): string => reply.risk.level;\n'
        'export type Problem = operations["predict"]["responses"][422]["content"]["application/problem+json"];\n'
        "export const status = (problem: Problem): number => problem.status;\n"
    )
    for command in (["openapi-typescript", str(document), "-o", str(types)], ["tsc", "--noEmit", "--strict", str(use)]):
        done = subprocess.run(
            [str(tools / command[0]), *command[1:]], capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_error_refers_to_the_one_schema_of_problems(document: Path) -> None:
    paths = json.loads(document.read_text())["paths"]
    for path in ("/predict", "/explain", "/invocations", "/model", "/admin/reload"):
        for operation in paths[path].values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    schema = answer["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ProblemReply"}, (path, status)
