"""What the service says of itself: /model, /health, /docs and the OpenAPI document, on a fake runtime."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from fastapi.testclient import TestClient

from inference import __version__
from inference.domain.taxonomy import CLASSES, ClassCode
from inference.imaging.errors import UnreadableImage
from inference.prediction.classifier import Classifier
from service.api.schemas import ExplainParameters
from service.http.problems import INTERNAL, OPERATION, PROBLEMS, ProblemReply
from service.representations.documents import ExplainReply, PredictReply
from service.representations.examples import EXPLAINED, PREDICTED, PROBLEM
from service.security.api_key import new_key
from tests.support.paths import ROOT


def test_the_schema_knows_the_taxonomy() -> None:
    assert get_args(ClassCode) == CLASSES
    for target in (*CLASSES, "all"):
        assert ExplainParameters(target=target).explanation().targets == (CLASSES if target == "all" else (target,))


def test_model_tells_what_is_served(client: TestClient, fake_classifier: Classifier) -> None:
    answer = client.get("/model").json()
    assert answer["model"]["version"] == "1"
    assert answer["runtime"] == "fake"
    assert answer["manifest"]["digest"] == fake_classifier.bundle.manifest.digest
    assert answer["manifest"]["thresholds"] == {"moderate": 0.2, "high": 0.6}
    assert answer["card"] == "# A fake\n"


def test_health(client: TestClient) -> None:
    for path in ("live", "ready", "startup"):
        response = client.get(f"/health/{path}")
        assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_the_openapi_document_describes_bodies_and_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for path in ("/predict", "/explain"):
        operation = document["paths"][path]["post"]
        assert set(operation["requestBody"]["content"]) == {
            *("multipart/form-data", "application/octet-stream"),
            *("image/jpeg", "image/png", "image/webp", "image/bmp", "image/tiff", "image/heic"),
            *("image/avif", "application/dicom"),
        }
        assert {"200", "400", "413", "415", "422", "503"} <= set(operation["responses"])
    named = [json.loads(names) for names in re.findall(r'"x-enum-varnames": (\[.*?\])', json.dumps(document))]
    assert named
    assert all(len(set(names)) == len(names) for names in named), "different values have different names"
    assert "Not a medical device" in json.dumps(document) or "not a medical device" in json.dumps(document)


def test_every_refusal_has_an_example_of_its_own(client: TestClient) -> None:
    responses = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
    named = {problem.slug: problem for problem in PROBLEMS.values()}
    refused = {int(status): response for status, response in responses.items() if int(status) >= 400}
    assert {400, 413, 422, 503} <= refused.keys()
    for status, response in refused.items():
        for slug, example in response["content"]["application/problem+json"]["examples"].items():
            shown = ProblemReply.model_validate(example["value"])
            assert (shown.type, shown.title, shown.status) == (named[slug].type, named[slug].title, status)
            assert shown.title in response["description"]


def test_every_error_is_a_problem(client: TestClient) -> None:
    """Except what the probes of an orchestrator get. FastAPI would declare an error answer of its own."""
    document = client.get("/openapi.json").json()
    of_probes = {("/health/ready", "503"), ("/health/startup", "503")}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and (path, status) not in of_probes:
                    schema = response["content"]["application/problem+json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ProblemReply"}, (path, status)
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_refusal_is_declared(client: TestClient) -> None:
    """Without keys: another site, too many requests, another host name; beside what else has the same status."""
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/predict", "/invocations", "/v2/models/{name}/infer", "/admin/reload"):
        assert {"unknown-host", "cross-site", "rate-limited"} <= refusals(paths[path]["post"]), path
    assert {"no-image", "several-images"} <= refusals(paths["/predict"]["post"])
    assert refusals(paths["/model"]["get"]) == {"unknown-host", "rate-limited", "no-model"}
    assert refusals(paths["/health/live"]["get"]) == {"unknown-host"}


def test_with_keys_every_refusal_of_a_key_is_declared(open_client: Callable[..., TestClient], tmp_path: Path) -> None:
    key, sent = new_key("clinic-a", "user")
    (tmp_path / "keys.txt").write_text(f"{key.line}\n")
    client = open_client(keys_file=tmp_path / "keys.txt")
    paths = client.get("/openapi.json", headers={"X-API-Key": sent}).json()["paths"]
    assert {"missing-key", "unknown-key", "forbidden", "cross-site", "rate-limited"} <= refusals(
        paths["/predict"]["post"]
    )
    assert paths["/predict"]["post"]["security"] == [{"key": []}]


def refusals(operation: dict[str, Any]) -> set[str]:
    """The last part of the type of every problem that an operation of the document declares."""
    contents = [response.get("content", {}) for response in operation["responses"].values()]
    return {slug for content in contents for slug in content.get("application/problem+json", {}).get("examples", {})}


def test_a_binary_answer_is_declared(client: TestClient) -> None:
    answer = client.get("/openapi.json").json()["paths"]["/v2/models/{name}/infer"]["post"]["responses"]["200"]
    assert answer["content"].keys() == {"application/json", "application/octet-stream"}
    assert answer["headers"].keys() == {"Inference-Header-Content-Length"}


def test_what_has_a_pattern_has_an_example_that_is_accepted(client: TestClient) -> None:
    """The form of /docs is filled with it; without one, with a random text of the pattern, perhaps a refused one."""
    document = client.get("/openapi.json").json()
    form = document["paths"]["/explain"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    examples = {name: each["examples"][0] for name, each in form["properties"].items() if "pattern" in each}
    assert examples.keys() == {"subject", "study"}
    assert ExplainParameters(**examples).model_dump(include=examples.keys()) == examples


def test_the_docs_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "http" not in page.replace("http-equiv", "")
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert client.get(f"/docs/assets/{asset}").status_code == 200


def test_the_model_names_the_version_of_the_service(client: TestClient) -> None:
    assert client.get("/model").json()["service_version"] == __version__


def test_the_examples_are_answers() -> None:
    PredictReply.model_validate(PREDICTED)
    ExplainReply.model_validate(EXPLAINED)
    assert set(PredictReply.model_fields) == set(PREDICTED), "the example has every field"
    assert ProblemReply.model_validate(PROBLEM).status == PROBLEMS[UnreadableImage].status


def test_operations_have_short_names_and_values_have_identifiers(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert {"predict", "explain", "model", "invocations"} <= set(names)
    assert len(set(names)) == len(names)
    method = next(each for each in document["paths"]["/explain"]["post"]["parameters"] if each["name"] == "method")
    assert method["schema"]["x-enum-varnames"] == ["GRADCAM_PLUS_PLUS", "GRADCAM", "ALL"]
    render = next(each for each in document["paths"]["/explain"]["post"]["parameters"] if each["name"] == "render")
    assert render["schema"]["enum"] == ["both", "heatmap", "overlay", "sr"]


def test_the_tables_of_errors_have_every_problem_and_each_has_its_test() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    rows = set(re.findall(r"^\| (\d{3}) \| `urn:lunar:problem:([\w-]+)`", page, re.MULTILINE))
    of_operation = [PROBLEMS[kind] for kind in OPERATION]  # in the row of /admin/reload
    every = {(str(problem.status), problem.slug) for problem in (*PROBLEMS.values(), INTERNAL)}
    assert rows == every - {(str(problem.status), problem.slug) for problem in of_operation}
    assert all(f"{problem.status} `{problem.slug}`" in page for problem in of_operation)
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [slug for _, slug in sorted(every) if f'{slug}"' not in tests] == []
