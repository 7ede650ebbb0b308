"""The parser of every command line of the project."""

import argparse
import sys
from typing import Any, NoReturn

from inference import __version__


class Parser(argparse.ArgumentParser):
    """Has --version, takes no abbreviation of an option, and reports an error as one line on stderr with status 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})
        self.add_argument("--version", action="version", version=f"Lunar {__version__}")

    def error(self, message: str) -> NoReturn:
        """End with the message in one line."""
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def failed(prog: str, cause: object) -> int:
    """Report why a command ends, as one line on stderr; returns its exit status."""
    print(f"{prog}: {' '.join(str(cause).split())}", file=sys.stderr)
    return 1
