"""python examples/score_with_spark.py FOLDER OUTPUT: score a folder of images on Spark, one row an image, as Parquet.

The model is the registry's champion, or what --model names. Spark 4.3 wants Java 17 and pandas 2, so it has an
environment of its own: `make spark`, then `.venv-spark/bin/python examples/score_with_spark.py FOLDER OUTPUT`.

An image that cannot be read does not end the job: its row says why in the column `error`, and has no class. Files
without content are not listed: Spark skips them, and those whose name, or a folder's, begins with a dot or `_`.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark 4.3 would start any python3 on the path

import mlflow
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

SUFFIXES = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "heic", "heif", "avif")
IMAGES = f"*.{{{','.join(''.join(f'[{x}{x.upper()}]' for x in suffix) for suffix in SUFFIXES)}}}"  # in any case
IMAGES_A_BATCH = 32  # Spark 4.3 would hand 10,000 images at once to a worker
SPLIT_BYTES = 64_000_000  # about 250 dermoscopic photos a task, so that loading the model for it is a small part


def main() -> int:
    """Write the table and print how many images it holds. Exit status 1 if none could be read, or OUTPUT exists."""
    given = _parse()
    mlflow.set_tracking_uri(given.registry)
    spark = start(given.master)
    try:
        scores = score(spark, given.folder, model=given.model, tta=given.tta, heatmap=given.heatmap)
        try:
            scores.write.mode("errorifexists").parquet(given.output)
        except AnalysisException as error:
            if error.getCondition() != "PATH_ALREADY_EXISTS":
                raise
            print(f"{given.output} exists: name another place for the table, or move it away", file=sys.stderr)
            return 1
        table = spark.read.parquet(given.output)
        total, failed = table.count(), table.where("error <> ''").count()
    finally:
        spark.stop()
    print(f"{total - failed} of {total} images scored; the table is in {given.output}")
    return 0 if total > failed else 1


def start(master: str) -> SparkSession:
    """A session for whole image files in Arrow batches."""
    return (
        SparkSession.builder.master(master)
        .appName("lunar")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", IMAGES_A_BATCH)
        .config("spark.sql.files.maxPartitionBytes", SPLIT_BYTES)
        .config("spark.sql.files.openCostInBytes", 0)
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )


def score(spark: SparkSession, folder: str, *, model: str, tta: int, heatmap: bool) -> DataFrame:
    """One row an image: its path and the columns of the model's signature."""
    model_answers = mlflow.pyfunc.spark_udf(spark, model, env_manager="local", params={"tta": tta, "heatmap": heatmap})
    images = (
        spark.read.format("binaryFile")
        .option("pathGlobFilter", IMAGES)
        .option("recursiveFileLookup", "true")
        .load(folder)
    )
    return images.select("path", model_answers(col("content")).alias("answer")).select("path", "answer.*")


def _parse() -> argparse.Namespace:
    home = Path(os.environ.get("LUNAR_HOME", ".lunar")).resolve()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="images, in subfolders too; any address that Spark can read")
    parser.add_argument("output", help="where the table goes")
    parser.add_argument("--model", default="models:/skin-lesion@champion")
    parser.add_argument("--registry", default=os.environ.get("LUNAR_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}"))
    parser.add_argument("--master", default="local[*]", help="the Spark cluster; default: this machine's cores")
    parser.add_argument("--tta", type=int, default=1, choices=(1, 2, 4, 8), help="views averaged")
    parser.add_argument("--heatmap", action="store_true", help="add heat maps: PNG in base64")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
