"""`lunar doctor`."""

from collections.abc import Iterator

from inference.command_line import Parser
from lunar.doctor.check_result import CheckResult
from lunar.doctor.packages import LOCK, packages

_ABOUT = "Check this installation, and say which model would be served, by which runtime, in which precision, and why."


def main(arguments: list[str], *, prog: str) -> int:
    """Print one line for each thing that was looked at. Returns 1 if one would keep the service from answering."""
    Parser(prog=prog, description=_ABOUT).parse_args(arguments)
    failed = False
    for result in _check():
        print(result, flush=True)
        failed = failed or result.level == "failed"
    return 1 if failed else 0


def _check() -> Iterator[CheckResult]:
    """Everything. A package that is missing is a result too, because it is what people call the doctor for."""
    yield from packages()
    try:
        from lunar.doctor.model import check

        yield from check()
    except ImportError as error:
        yield CheckResult("packages", "failed", f"{error}; {LOCK}")
