"""What one space uses, in figures and in words: the same for the keeper's record, the hub's pages and the lab."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# In percent of the limit; who uses a space is told at each.
LEVELS = (80, 90, 100)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP, _WHOLE = 1024, 100


@dataclass(frozen=True, slots=True)
class Figures:
    """What a space uses, in bytes; the trash is not part of `used`, since it yields to what is written."""

    space: str
    used: int
    trash: int = 0
    soft: int | None = None
    hard: int | None = None

    @property
    def level(self) -> int:
        """The highest of LEVELS that is reached, 0 below all; past `soft` it is the first at least."""
        reached = 0 if self.hard is None else max((level for level in LEVELS if self.percent >= level), default=0)
        return max(reached, LEVELS[0]) if self.soft is not None and self.used >= self.soft else reached

    @property
    def percent(self) -> int:
        """How much of the hard limit is used; of none, nothing."""
        return round(self.used * 100 / max(self.hard, 1)) if self.hard is not None else 0

    @property
    def words(self) -> str:
        """What is told to those who use it; nothing below the first level. It fits into a note of the lab, 140 characters."""
        if not self.level:
            return ""
        kind, _, name = self.space.partition("/")
        whose = f"The space of team {name}" if kind == "team" else "Your home"
        used = size_in_words(self.used)
        if self.hard is None:
            return f"{whose} uses {used}, and {size_in_words(self.soft or 0)} are meant for it."
        if self.level == LEVELS[-1]:
            return f"{whose} is full: it uses {used} of {size_in_words(self.hard)}. What does not fit is refused."
        return f"{whose} is {self.percent} % full: it uses {used} of {size_in_words(self.hard)}."

    def to_json(self) -> dict[str, Any]:
        """Return it as records and answers say it."""
        return {**asdict(self), "level": self.level, "words": self.words}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Figures":
        """Read what `to_json` said; ValueError, KeyError or TypeError where it did not."""
        limits = (None if raw[name] is None else int(raw[name]) for name in ("soft", "hard"))
        return cls(str(raw["space"]), int(raw["used"]), int(raw["trash"]), *limits)


def size_in_words(size: int) -> str:
    """Return a size for a person to read, such as 9.1 GiB."""
    amount, unit = float(size), 0
    while amount >= _STEP and unit < len(_UNITS) - 1:
        amount, unit = amount / _STEP, unit + 1
    digits = f"{amount:.0f}" if amount >= _WHOLE else f"{amount:.1f}".removesuffix(".0")
    return f"{digits} {_UNITS[unit]}"
