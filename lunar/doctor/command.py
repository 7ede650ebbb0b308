"""`lunar doctor`."""

from collections.abc import Iterator

from inference.command_line import Parser
from lunar.doctor.finding import Finding
from lunar.doctor.packages import LOCK, packages

_ABOUT = "Check this installation, and say which model would be served, by which runtime, in which precision, and why."


def main(arguments: list[str], *, prog: str) -> int:
    """Print one line for each thing that was looked at. Returns 1 if one would keep the service from answering."""
    Parser(prog=prog, description=_ABOUT).parse_args(arguments)
    failed = False
    for finding in _check():
        print(finding, flush=True)
        failed = failed or finding.level == "failed"
    return 1 if failed else 0


def _check() -> Iterator[Finding]:
    """Everything. A package that is missing is a finding too, because it is what people call the doctor for."""
    yield from packages()
    try:
        from lunar.doctor.model import check

        yield from check()
    except ImportError as error:
        yield Finding("packages", "failed", f"{error}; {LOCK}")
