"""What a worker for images has from the main process, and what it tells that by their line."""

import json
from argparse import ArgumentParser
from dataclasses import dataclass
from typing import Final, Self

from bowerbird_services.answers import Answers

_OPTION: Final = "--worker"


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a worker has from the main process: its open files, by number."""

    images: int
    slots: int
    line: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what an argument names."""
        return cls(*map(int, text.split(",")))

    def arguments(self) -> tuple[str, str]:
        """Return what a worker is started with beside the arguments of the main process."""
        return _OPTION, f"{self.images},{self.slots},{self.line}"


def add_option(parser: ArgumentParser) -> None:
    """Let a program be started as a worker; `worker` is then what it inherits."""
    parser.add_argument(_OPTION, type=Inherited.parse, help="start as a worker of another such process, which gives these open files")


def told(answers: Answers, trouble: str | None) -> bytes:
    """Return the line by which a worker tells what it has counted, and what keeps it from answering."""
    return json.dumps({**answers.handed_over(), "trouble": trouble}).encode() + b"\n"
