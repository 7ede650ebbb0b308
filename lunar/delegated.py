"""Commands that are whole programs of a package: `lunar serve`, `lunar train`, `lunar keys`."""


def serve(arguments: list[str], *, prog: str) -> int:
    """As `python -m service`."""
    from service.__main__ import main, parse_arguments

    parse_arguments(arguments, prog=prog)
    main()
    return 0


def train(arguments: list[str], *, prog: str) -> int:
    """As `python -m training`, without the commands of `lunar model`."""
    from training.__main__ import main

    return main(arguments, prog=prog, registry=False)


def keys(arguments: list[str], *, prog: str) -> int:
    """As `python -m service.keys`."""
    from service.keys import main

    main(arguments, prog=prog)
    return 0
