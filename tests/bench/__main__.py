"""The command: measures rows, prints them as a table, writes them as JSON. Exit 2 when it could not measure."""

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests import bench
from tests.bench.row import Row

_SUFFIX = "_rows"
_ROUNDS = 7
_FEWEST_ROUNDS = 5
_HEADER = ("id", "what", "ours", "peer", "unit", "ratio", "goal", "met")


class Group(Protocol):
    """A group of rows: in practice a module."""

    def rows(self, rounds: int) -> list[Row]:
        """Measure."""


def module(name: str) -> Group:
    """Return the module of a group."""
    found: Any = importlib.import_module(f"tests.bench.{name}{_SUFFIX}")
    group: Group = found
    return group


def main(arguments: Sequence[str] | None = None, find: Callable[[str], Group] = module) -> int:
    """Measure what was asked for and return the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.part and (lacking := sorted(set(asked.part).difference(parts(find(asked.name)) if asked.name else ()))):
        print(f"bench: {asked.name or 'all'} has no part {', '.join(lacking)}", file=sys.stderr)
        return 2
    if asked.picture is not None:
        return draw(asked.name, asked.picture, asked.rounds, find)
    chosen = [asked.name] if asked.name else groups()
    rows: list[Row] = []
    for name in chosen:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        try:
            for row in measure(find(name), asked.rounds, asked.peers, asked.part):
                rows.append(row)
        except Exception:  # what was measured is still worth telling, and the exit code tells
            traceback.print_exc()
            return _end(rows, asked.json, f"{name} could not be measured")
    return _end(rows, asked.json)


def groups() -> list[str]:
    """Return the names of all groups of rows: the modules here that end in _rows."""
    names = [found.name for found in pkgutil.iter_modules(bench.__path__)]
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX) and not name.startswith("test_"))


def parts(group: Group) -> Collection[str]:
    """Return the names of the parts of a group's `peer_rows` that can be measured alone."""
    found: Collection[str] = getattr(group, "PARTS", ())
    return found


def measure(group: Group, rounds: int, peers: bool, only: Collection[str] = ()) -> Iterator[Row]:
    """Measure a group: its `rows`, and with `peers` also its `peer_rows`, whose peers are no part of our environments.

    With ONLY it is these parts of the latter and nothing else.
    """
    more = getattr(group, "peer_rows", None)
    if only and more:
        yield from more(rounds, only)
        return
    yield from group.rows(rounds)
    if peers and more:
        yield from more(rounds)


def draw(name: str | None, path: Path, rounds: int, find: Callable[[str], Group]) -> int:
    """Draw the curves of a group into a file and return the exit code."""
    drawn = getattr(find(name), "draw", None) if name else None
    if drawn is None:
        print(f"bench: {name or 'all'} has no curves to draw; fuse and images have", file=sys.stderr)
        return 2
    drawn(path, rounds)
    return 0


def table(rows: Sequence[Row]) -> str:
    """Return rows as aligned text, numbers to the right."""
    lines = [_HEADER, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    right = {_HEADER.index(name) for name in ("ours", "peer", "ratio", "goal")}
    aligned = ([cell.rjust(widths[n]) if n in right else cell.ljust(widths[n]) for n, cell in enumerate(line)] for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in aligned)


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    load = round(os.getloadavg()[0], 2)
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "memory_bytes": memory,
        "load": load,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bowerbird bench", description=__doc__)
    parser.add_argument("name", nargs="?", metavar="NAME", choices=groups(), help=f"one of: {', '.join(groups())}; without it, all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE too")
    parser.add_argument("--peers", action="store_true", help="also measure against peers that must be installed for it")
    parser.add_argument("--part", action="append", default=[], metavar="PART", help="measure of the peers only this part, again for more")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="measure the curves of NAME instead, and draw them")
    parser.add_argument("--rounds", type=_rounds, default=_ROUNDS, help=f"rounds of each row ({_ROUNDS})")
    return parser


def _rounds(text: str) -> int:
    number = int(text)
    if number < _FEWEST_ROUNDS:
        raise argparse.ArgumentTypeError(f"a median needs at least {_FEWEST_ROUNDS} rounds")
    return number


def _cells(row: Row) -> tuple[str, ...]:
    sign = "≥" if row.better == "higher" else "≤"
    peer = "" if row.peer is None else _short(row.peer)
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    what = f"{row.what}, to {row.peer_name}" if row.peer_name else row.what
    return (row.id, what, _short(row.ours), peer, row.unit, ratio, f"{sign} {row.goal:g}", "yes" if row.met else "NO")


def _short(number: float) -> str:
    return f"{number:.4g}"


def _end(rows: Sequence[Row], file: Path | None, failure: str = "") -> int:
    print(table(rows))
    if file is not None:
        file.write_text(json.dumps({"machine": machine(), "rows": [row.to_json() for row in rows]}, indent=1) + "\n", encoding="utf-8")
    if failure:
        print(f"bench: {failure}", file=sys.stderr)
    return 2 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
