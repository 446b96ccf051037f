"""Draws how `/data` grows: time against the entries of a directory and against the readers of a file.

`./bowerbird bench fuse --picture FILE.svg`; bindfs must be installed. Times are the medians of the rounds, on a scale where each
line is ten times the one below.
"""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import file_set
from tests.bench.curves import Curves, Panel, drawn
from tests.bench.file_servers import Bench, bench, in_turns

_READERS = (1, 4, 16)
_READS = 4000
# Legible on white and on black.
_COLOURS = {"the disk itself": "#8a8a8a", "bindfs": "#d97706", "Bowerbird": "#2f81f7"}


def measure(files: Bench, rounds: int) -> list[Panel]:
    """Measure both panels."""
    servers = dict(zip(_COLOURS, (files.native, files.bindfs, files.ours), strict=True))
    times: dict[tuple[str, str, int], list[float]] = {}
    for number in range(rounds):
        for name in in_turns(number, list(servers)):
            with servers[name]() as server:
                for count in file_set.ENTRIES:
                    took, _, _ = files.run("ls", server.release / f"entries-{count}")
                    times.setdefault((name, "ls", count), []).append(took)
            for readers in _READERS:
                with servers[name]() as server:
                    took, _, _ = files.run("random", server.release / "random-4k", _READS, 4096, readers)
                    times.setdefault((name, "random", readers), []).append(took)

    def curves(work: str, steps: Sequence[int]) -> Curves:
        return {name: [statistics.median(times[name, work, step]) for step in steps] for name in servers}

    return [
        Panel("ls -l, cold: µs an entry", "entries of the directory", file_set.ENTRIES, curves("ls", file_set.ENTRIES)),
        Panel("random 4 KiB, first pass: µs a read", "readers at once", _READERS, curves("random", _READERS)),
    ]


def draw(path: Path, rounds: int) -> None:
    """Measure and draw."""
    place = Path(__file__).parents[2] / ".bowerbird"
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-") as folder, bench(Path(folder)) as files:
        panels = measure(files, rounds)
    path.write_text(drawn(panels, _COLOURS), encoding="utf-8")
    for panel in panels:
        print(panel.title, panel.steps, {name: [round(value, 2) for value in curve] for name, curve in panel.curves.items()})
