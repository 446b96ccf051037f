"""On which storage homes and spaces are: that of the node of the first server, by the mark that node plugins read from it.

A node with another one would show empty homes, and what is written there would be on no other node.
"""

from pathlib import Path

from bowerbird_hub.state.state_files import write_text


class HomeStorage:
    """The mark of the storage, kept in a file of the hub's."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def has_homes(self, mark: str) -> bool:
        """Tell whether homes are on the storage of that mark, which the first one makes it; an older plugin tells none, and is believed."""
        if not mark:
            return True
        try:
            return self._file.read_text(encoding="utf-8").strip() == mark
        except FileNotFoundError:
            write_text(self._file, f"{mark}\n")
            return True
