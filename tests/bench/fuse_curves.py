"""Draws how `/data` grows: time against the entries of a directory and against the readers of a file.

`./bowerbird bench fuse --picture FILE.svg`; bindfs must be installed. Times are the medians of the rounds, on a scale where each
line is ten times the one below.
"""

import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import file_set
from tests.bench.file_servers import Bench, bench, in_turns

_READERS = (1, 4, 16)
_READS = 4000
_WIDTH, _HEIGHT, _LEFT, _TOP, _BETWEEN = 300, 200, 60, 40, 90
# Legible on white and on black.
_COLOURS = {"the disk itself": "#8a8a8a", "bindfs": "#d97706", "Bowerbird": "#2f81f7"}
_INK = "#7d8590"

Curves = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of curves: microseconds by what stands below."""

    title: str
    below: str
    steps: Sequence[int]
    curves: Curves


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


def drawn(panels: Sequence[Panel]) -> str:
    """Return the panels side by side as SVG."""
    width = _LEFT + len(panels) * (_WIDTH + _BETWEEN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HEIGHT + 80}" font-family="sans-serif" font-size="12">'
    ]
    for index, panel in enumerate(panels):
        parts.append(f'<g transform="translate({_LEFT + index * (_WIDTH + _BETWEEN)} {_TOP})">{_panel(panel)}</g>')
    for index, (name, colour) in enumerate(_COLOURS.items()):
        x, y = _LEFT + index * 150, _TOP + _HEIGHT + 65
        parts.append(
            f'<path d="M{x} {y - 4}h24" stroke="{colour}" stroke-width="2.5"/><text x="{x + 30}" y="{y}" fill="{_INK}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel) -> str:
    values = [value for curve in panel.curves.values() for value in curve]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))

    def x(index: int) -> float:
        return index * _WIDTH / (len(panel.steps) - 1)

    def y(value: float) -> float:
        return _HEIGHT * (1 - (math.log10(value) - low) / (high - low))

    parts = [f'<text y="-16" fill="{_INK}" font-weight="bold">{panel.title}</text>']
    for power in range(low, high + 1):
        at = y(10**power)
        parts.append(f'<path d="M0 {at:.1f}H{_WIDTH}" stroke="{_INK}" stroke-opacity=".35"/>')
        parts.append(f'<text x="-8" y="{at + 4:.1f}" text-anchor="end" fill="{_INK}">{10**power:g}</text>')
    for index, step in enumerate(panel.steps):
        parts.append(f'<text x="{x(index):.1f}" y="{_HEIGHT + 18}" text-anchor="middle" fill="{_INK}">{step:,}</text>')
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 36}" text-anchor="middle" fill="{_INK}">{panel.below}</text>')
    for name, curve in panel.curves.items():
        points = " ".join(f"{x(index):.1f},{y(value):.1f}" for index, value in enumerate(curve))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[name]}" stroke-width="2.5"/>')
    return "".join(parts)


def draw(path: Path, rounds: int) -> None:
    """Measure and draw."""
    place = Path(__file__).parents[2] / ".bowerbird"
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-") as folder, bench(Path(folder)) as files:
        panels = measure(files, rounds)
    path.write_text(drawn(panels), encoding="utf-8")
    for panel in panels:
        print(panel.title, panel.steps, {name: [round(value, 2) for value in curve] for name, curve in panel.curves.items()})
