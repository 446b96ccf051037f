"""Curves side by side as SVG: each panel has a scale where each line is ten times the one below."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT, _LEFT, _TOP, _BETWEEN, _LEGEND = 300, 200, 60, 40, 90, 190
# Legible on white and on black, as the colours must be.
_INK = "#7d8590"

Curves = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of curves: numbers by what stands below."""

    title: str
    below: str
    steps: Sequence[float]
    curves: Curves


def drawn(panels: Sequence[Panel], colours: Mapping[str, str]) -> str:
    """Return the panels side by side as SVG, each curve in the colour of its name."""
    width = _LEFT + len(panels) * (_WIDTH + _BETWEEN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {_TOP + _HEIGHT + 80}" font-family="sans-serif" font-size="12">'
    ]
    for index, panel in enumerate(panels):
        parts.append(f'<g transform="translate({_LEFT + index * (_WIDTH + _BETWEEN)} {_TOP})">{_panel(panel, colours)}</g>')
    for index, (name, colour) in enumerate(colours.items()):
        x, y = _LEFT + index * _LEGEND, _TOP + _HEIGHT + 65
        parts.append(
            f'<path d="M{x} {y - 4}h24" stroke="{colour}" stroke-width="2.5"/><text x="{x + 30}" y="{y}" fill="{_INK}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, colours: Mapping[str, str]) -> str:
    values = [value for curve in panel.curves.values() for value in curve]
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))

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
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colours[name]}" stroke-width="2.5"/>')
    return "".join(parts)
