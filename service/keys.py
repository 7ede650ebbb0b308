"""python -m service.keys: make an API key and its line for the file of keys."""

import sys

from inference.command_line import Parser
from service.security.api_key import InvalidKeys, new_key


def main(arguments: list[str] | None = None, *, prog: str = "python -m service.keys") -> None:
    """`new CLIENT [--admin]`: prints the line for the file on stdout and the key on stderr."""
    parser = Parser(prog=prog, description="Make an API key.")
    new = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "new", help="make a key; print it once, with its line for the file"
    )
    new.add_argument("client", help="name of the client that gets the key")
    new.add_argument("--admin", action="store_true", help="the key may also use /admin")
    options = parser.parse_args(arguments)
    try:
        key, sent = new_key(options.client, "admin" if options.admin else "user")
    except InvalidKeys as error:
        parser.error(str(error))
    print(f"The key, shown only now; send it as X-API-Key:\n{sent}", file=sys.stderr)
    print(key.line)


if __name__ == "__main__":
    main()
