"""One thing that a cluster lacks, or of which it could not be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lack:
    """What is lacking, and the way out; where not `known`, it is what could not be told, and how to find out."""

    what: str
    remedy: str
    known: bool = True

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}" if self.known else f"not known: {self.what}; {self.remedy}"


def unknown(what: str, remedy: str) -> Lack:
    """Return what could not be told."""
    return Lack(what, remedy, known=False)


def unreadable(what: str) -> Lack:
    """Return that you may not read something."""
    return unknown(f"you may not read {what}", "ask somebody who may, or look at it after the roll-out")
