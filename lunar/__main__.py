"""`lunar COMMAND`: finds the command, and imports nothing else before it is known."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module

from inference.command_line import Parser, failed

# What a command is called -> where its function is, and what it does.
COMMANDS = {
    "serve": ("lunar.delegated:serve", "serve the API and the page until stopped"),
    "predict": ("lunar.scoring.command:main", "classify images, folders and lists of images"),
    "evaluate": ("lunar.validation.command:main", "measure a bundle on your own labelled images"),
    "train": ("lunar.delegated:train", "fetch data; train, quantise, evaluate and compare models"),
    "model": ("lunar.model:main", "list, publish, promote and roll back versions in the registry"),
    "keys": ("lunar.delegated:keys", "make API keys"),
    "doctor": ("lunar.doctor.command:main", "check this installation, and say what would be served and why"),
}
# Commands for which requirements.lock is enough; of `model` all but `promote`. The images that serve lack `training`.
SERVING = ("serve", "predict", "model", "keys", "doctor")


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns its exit status; a reader that closes the pipe (`| head`) ends it quietly."""
    if sys.stdout is None:  # as after `>&-`: the next file that is opened would take its place
        return failed("lunar", "stdout is closed; send it to a file, or to /dev/null")
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes again when it ends
        return 128 + signal.SIGPIPE


def _run(arguments: list[str] | None) -> int:
    options = _parse(arguments)
    module, _, name = COMMANDS[options.command][0].partition(":")
    try:
        command: Callable[..., int] = getattr(import_module(module), name)
        return command(options.arguments, prog=f"lunar {options.command}")
    except ModuleNotFoundError as error:
        missing = error.name or ""
        part = missing.partition(".")[0]
        if part in ("inference", "lunar"):
            raise
        if part in ("service", "training"):
            words = f"this installation lacks the part {part} of Lunar; a checkout has it, and the image lunar-{part}."
            return failed(f"lunar {options.command}", words)
        serving = options.command in SERVING and "promote" not in options.arguments
        lock = "requirements.lock" if serving else "requirements-training.lock"
        words = f"the package {missing} is not installed; {lock} installs what this command needs."
        return failed(f"lunar {options.command}", words)
    except KeyboardInterrupt:
        print(f"lunar {options.command}: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:{width}}  {words}" for name, (_, words) in COMMANDS.items())
    parser = Parser(
        prog="lunar",
        usage="lunar [--help] [--version] COMMAND ...",
        description="Classifies dermoscopic images of skin lesions. Not a medical device.",
        epilog=f"commands:\n{listed}\n\n`lunar COMMAND --help` describes a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=argparse.SUPPRESS)
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        parser.error(f"name a command: {', '.join(COMMANDS)}")
    if given[0].startswith("-") and given[0] not in ("-h", "--help", "--version"):
        parser.error(f"unrecognized arguments: {given[0]}")
    options = parser.parse_args(given[:1])
    options.arguments = given[1:]  # untouched: argparse would take a `--` out
    return options


if __name__ == "__main__":
    raise SystemExit(main())
