"""python -m benchmarks.report [RESULTS [PAGE]]: the JSON lines of the benchmarks -> the tables of docs/performance.md.

Each table stands between two markers, `<!-- table: NAME -->` and `<!-- end -->`, and is replaced; the prose around them
stays. Of the tables by kind of processor only that of the run's own kind is replaced. A benchmark without a line, or a
page without a marker, is an error.
"""

import argparse
import json
from pathlib import Path

from benchmarks.published import MODULES
from benchmarks.report import processors
from benchmarks.report.tables import TABLES
from benchmarks.report.targets import Results, targets
from tests.support.paths import ROOT

RESULTS, PAGE = ROOT / ".bench" / "results.jsonl", ROOT / "docs" / "performance.md"


class IncompleteReport(ValueError):
    """A benchmark's line or a table's marker is missing."""


def read(path: Path) -> Results:
    """benchmark -> its line, the last if there are several. Raises IncompleteReport."""
    found = {line["benchmark"]: line for line in map(json.loads, path.read_text().splitlines())}
    if missing := [name for name in MODULES if name not in found]:
        raise IncompleteReport(f"{path} has no line of {', '.join(missing)}: make bench")
    return found


def fill(page: str, results: Results) -> str:
    """The page with every table replaced. Raises IncompleteReport."""
    for name, table in {**TABLES, processors.marker(results): processors.table}.items():
        before, start, rest = page.partition(f"<!-- table: {name} -->")
        _, end, after = rest.partition("<!-- end -->")
        if not start or not end:
            raise IncompleteReport(f"the page has no place for the table {name!r}: <!-- table: {name} --> <!-- end -->")
        page = f"{before}{start}\n{table(results)}\n{end}{after}"
    return page


def main(results: Path = RESULTS, page: Path = PAGE) -> None:
    """Rewrite the page and print the targets that are not met."""
    found = read(results)
    page.write_text(fill(page.read_text(encoding="utf-8"), found), encoding="utf-8")
    for each in targets(found):
        if each.verdict != "yes":
            print(f"{each.what}: {each.sense} {each.bound:g}{each.unit}; met: {each.verdict}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=RESULTS, metavar="RESULTS", help="the JSON lines")
    parser.add_argument("page", type=Path, nargs="?", default=PAGE, metavar="PAGE", help="whose tables are replaced")
    main(**vars(parser.parse_args()))
