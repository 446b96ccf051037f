"""The scripts and styles of the widgets: each has one of its own, after the part that all share."""

from pathlib import Path

_HERE = Path(__file__).parent


def script(name: str) -> str:
    """Return a widget's module."""
    return _joined("widget.js", name)


def style(name: str | None = None) -> str:
    """Return a widget's style; without a name what all share."""
    return _joined("widget.css", *([name] if name else []))


def _joined(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)
