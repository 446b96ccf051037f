"""Where the cutouts of a folder come from that were cut elsewhere: what was asked, and the ETag of the answer.

It stands beside them in one file, a line for each cutout that came; the last of a name holds. A cutout that is not as its
line says, and one whose line is lost, is asked for again.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

NAME = ".origins.jsonl"


@dataclass(frozen=True, slots=True)
class _Origin:
    """What was asked for a file, the ETag of the answer, and the file as it was written: its length and time."""

    question: str
    etag: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins of a folder's files; without a folder there are none, and none are kept."""

    folder: Path | None
    _known: dict[str, _Origin] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path | None) -> "Origins":
        """Return what is known of a folder."""
        found = cls(folder)
        with suppress(OSError):
            for line in (folder / NAME).read_text("utf-8", "replace").splitlines() if folder else ():
                with suppress(ValueError, TypeError, KeyError, AttributeError):  # the end of a call that was killed
                    said = json.loads(line)
                    name = said.pop("file")
                    found._known[name] = _Origin(**said)
        return found

    def etag(self, file: Path | None, question: str) -> str:
        """Return the ETag of a file that is there and answers the question; "" where there is none."""
        known = self._known.get(file.name) if file else None
        if file is None or known is None or known.question != question:
            return ""
        with suppress(OSError):
            now = file.stat()
            return known.etag if (now.st_size, now.st_mtime_ns) == (known.size, known.mtime_ns) else ""
        return ""

    def keep(self, file: Path | None, question: str, etag: str) -> None:
        """Learn where a file came from that was just written."""
        if self.folder is None or file is None or not etag:
            return
        with suppress(OSError):  # on a full disk the next cutout will say so
            now = file.stat()
            line = {"file": file.name, "question": question, "etag": etag, "size": now.st_size, "mtime_ns": now.st_mtime_ns}
            with (self.folder / NAME).open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")
