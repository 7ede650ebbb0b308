"""python -m benchmarks: run every published benchmark, then write the tables of docs/performance.md.

The JSON lines go to .bench/results.jsonl, which is written anew. Ends with the first benchmark that fails.
"""

import argparse
import subprocess
import sys

from benchmarks.published import MODULES
from benchmarks.report.__main__ import RESULTS, main

if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__).parse_args()
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("wb") as lines:
        for module in MODULES.values():
            subprocess.run([sys.executable, "-m", module], stdout=lines, check=True)
    main()
