"""`bowerbird about FILE...` in a terminal of the lab: what `bowerbird.about` says."""

import argparse
import sys

from bowerbird.about import about


def main(arguments: list[str] | None = None) -> int:
    """Print what each file is, whose, and how to cite it; returns 2 where one of them cannot be told of."""
    parser = argparse.ArgumentParser(prog="bowerbird", description="What the files below /data are.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("about", help="say what files are, whose, and how to cite them", description=main.__doc__)
    command.add_argument("file", nargs="+", help="a file or folder below /data")
    status = 0
    for number, file in enumerate(parser.parse_args(arguments).file):
        try:
            told = str(about(file))
        except OSError as error:
            print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
            status = 2
        else:
            print("\n" * (number > 0) + told)
    return status


if __name__ == "__main__":
    sys.exit(main())
