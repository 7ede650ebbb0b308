"""Clients that are generated from the OpenAPI document: they compile, and call the running service."""

import base64
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
from tests.support.paths import ROOT
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


# Types are erased, so the compiled program says whether the service answers as they promise.
USE = """
import type { operations } from "./lunar";

type Responses = operations["predict"]["responses"];
const send = (body: BodyInit): Promise<Response> =>
  fetch("ADDRESS/predict", { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body });
const image = Uint8Array.from(atob("IMAGE"), (letter) => letter.charCodeAt(0));
const reply: Responses[200]["content"]["application/json"] = await (await send(image)).json();
const problem: Responses[415]["content"]["application/problem+json"] = await (await send("no image")).json();
const sum: number = Object.values(reply.probabilities).reduce((one, other) => one + other);
console.log(sum.toFixed(3), reply.risk.level.length > 0, problem.status);
"""
COMPILE = ("tsc", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")


def test_types_for_typescript_are_generated_and_compile_and_the_program_gets_its_answers(
    document: Path, starter_service: str
) -> None:
    folder = document.parent
    path = os.pathsep.join([str(ROOT / "node_modules" / ".bin"), os.environ["PATH"]])
    if missing := [name for name in ("node", "openapi-typescript", "tsc") if shutil.which(name, path=path) is None]:
        pytest.skip(f"{', '.join(missing)} not installed: npm install --no-save openapi-typescript typescript")
    image = base64.b64encode(lesion("PNG")).decode()
    (folder / "use.mts").write_text(USE.replace("ADDRESS", starter_service).replace("IMAGE", image))
    generate = ("openapi-typescript", document.name, "-o", "lunar.d.ts")
    for command in (generate, (*COMPILE, "use.mts"), ("node", "use.mjs")):
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=LIMIT_S
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "1.000 true 415\n"


def test_every_error_refers_to_the_one_schema_of_problems(document: Path) -> None:
    paths = json.loads(document.read_text())["paths"]
    for path in ("/predict", "/explain", "/invocations", "/model", "/admin/reload"):
        for operation in paths[path].values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    schema = answer["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ProblemReply"}, (path, status)
