"""python -m benchmarks.lighthouse: scores of the page by Lighthouse 12 on a simulated phone.

Needs Node.js, Chromium and the npm package lighthouse, which npx fetches. Starts a service with the starter; audits the
empty page and the model's page, each three times; prints one JSON line with the median of every score.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

from inference.bundle.storage import open_bundle
from inference.registry.__main__ import register_starter
from inference.registry.mlflow_registry import Registry
from inference.settings import RegistrySettings
from tests.support.chromium import ARGUMENTS, NAMES
from tests.support.paths import STARTER
from tests.support.service_process import running_service

PAGES = {"page": "/", "model-card": "/model-card"}
CATEGORIES = ("performance", "accessibility", "best-practices")
ROUNDS = 3


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        register_starter(Registry(RegistrySettings(home=home)), open_bundle(STARTER), alias="champion")
        with running_service(home) as address:
            scores = {name: _median([_audit(address + path) for _ in range(ROUNDS)]) for name, path in PAGES.items()}
    print(json.dumps({"benchmark": "lighthouse", "rounds": ROUNDS, "scores": scores}))


def _audit(url: str) -> dict[str, float]:
    chromium = os.environ.get("LUNAR_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if chromium is None:
        raise SystemExit(f"no Chromium: neither LUNAR_CHROMIUM nor one of {', '.join(NAMES)} on the path")
    command = ["npx", "--yes", "lighthouse@12", url, "--output=json", "--quiet"]
    command += [f"--only-categories={','.join(CATEGORIES)}", f"--chrome-flags=--headless=new {' '.join(ARGUMENTS)}"]
    environment = os.environ | {"CHROME_PATH": chromium, "PUPPETEER_SKIP_DOWNLOAD": "1"}
    report = json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    for audit in report["audits"].values():
        if audit["score"] is not None and audit["score"] < 0.9 and audit["scoreDisplayMode"] == "binary":
            raise SystemExit(f"{url}: {audit['title']}: {json.dumps(audit.get('details', {}))[:800]}")
    return {name: round(100 * report["categories"][name]["score"]) for name in CATEGORIES}


def _median(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in rounds) for name in CATEGORIES}


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()
