"""What the keeper wrote down of spaces that are nearly full."""

from collections.abc import Iterable
from pathlib import Path

from bowerbird_hub.state.state_files import read_json


def notices(usage: Path, user: str, teams: Iterable[str]) -> list[str]:
    """Return what is to be told to somebody of their home and of their teams' spaces."""
    told = read_json(usage).get("spaces", {})
    found = (told.get(space, {}) for space in (f"home/{user}", *(f"team/{team}" for team in teams)))
    return [str(one["words"]) for one in found if one.get("words")]
