"""The example as a user runs it: real Spark in an environment of its own, compared with the real service."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pandas
import pytest

from inference.domain.taxonomy import CLASSES
from inference.mlflow_model.signature import OUTPUTS
from tests.support import http
from tests.support.lesion_images import lesion
from tests.support.paths import ROOT

PYTHON = ROOT / ".venv-spark" / "bin" / "python"
MIN_JAVA = 17


@pytest.fixture(scope="module")
def spark_python() -> Path:
    java = shutil.which("java")
    if java is None:
        pytest.skip(f"no Spark: no Java; it wants {MIN_JAVA} or newer")
    words = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "(\d+)', words)
    if found is None or int(found.group(1)) < MIN_JAVA:
        pytest.skip(f"no Spark: it wants Java {MIN_JAVA} or newer, not {words.splitlines()[0]}")
    if not PYTHON.exists():
        pytest.skip("no Spark: make spark installs it")
    return PYTHON


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive of images")
    (folder / "2026").mkdir()
    for number, format_ in enumerate(("JPEG", "PNG", "BMP", "WEBP", "TIFF")):
        data = lesion(format_, width=400 + 50 * number, height=450)
        (folder / "2026" / f"lesión {number}.{format_.capitalize()}").write_bytes(data)
    (folder / "broken.jpg").write_bytes(lesion()[:300])
    (folder / "notes.txt").write_text("no image, and not called one")
    return folder


def test_spark_gives_the_services_answers(
    spark_python: Path, images: Path, starter_home: Path, starter_service: str, tmp_path: Path
) -> None:
    """In another folder than the checkout: the workers have the model's own code and nothing else of ours."""
    output = tmp_path / "scores.parquet"
    command = [str(spark_python), str(ROOT / "examples" / "score_with_spark.py"), str(images), str(output)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"LUNAR_HOME": str(starter_home), "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [*command, "--master", "local[2]", "--tta", "2", "--heatmap"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"5 of 6 images scored; the table is in {output}" in done.stdout
    again = subprocess.run(
        [*command, "--master", "local[2]"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (again.returncode, f"{output} exists" in again.stderr) == (1, True), again.stderr
    table = pandas.read_parquet(output)
    assert list(table.columns) == ["path", *OUTPUTS]
    rows = {Path(unquote(row["path"])).name: row for row in table.to_dict("records")}
    assert rows.keys() == {path.name for path in images.rglob("*") if path.is_file() and path.suffix != ".txt"}

    broken = rows.pop("broken.jpg")
    assert broken["error"].startswith("UnreadableImage: ")
    assert (broken["class"], broken["risk"], broken["heatmap"]) == ("", "", "")
    assert pandas.isna(broken["probability_mel"])
    for name, row in rows.items():
        data = (images / "2026" / name).read_bytes()
        answer = http.post(f"{starter_service}/explain?tta=2&render=heatmap", files={"file": data}).json()
        assert {code: row[f"probability_{code}"] for code in CLASSES} == pytest.approx(
            answer["probabilities"], abs=1e-5
        )
        assert (row["class"], row["risk"]) == (answer["prediction"]["class"], answer["risk"]["level"])
        assert (row["heatmap"], row["error"]) == (answer["explanations"][0]["heatmap"], "")
    assert table["probability_mel"].nunique() == len(rows)
