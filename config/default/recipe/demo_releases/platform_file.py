"""The platform file of the first start: a copy of the default one whose pretended date is a year ahead."""

from datetime import datetime
from pathlib import Path

from demo_releases.errors import BadInput
from demo_releases.whole_files import write

# The line of the default platform file that is dated anew ends with this.
MARK = "# a year after the set-up"


def a_year_after(moment: datetime) -> datetime:
    """Return the first midnight, one year on, of the moment's own day; the 29th of February becomes the 1st of March."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return midnight.replace(year=midnight.year + 1)
    except ValueError:
        return midnight.replace(year=midnight.year + 1, month=3, day=1)


def dated(text: str, public_on: datetime) -> str:
    """Return a platform file with the marked `public_on` set, every other character as it was."""
    lines = text.splitlines(keepends=True)
    marked = [number for number, line in enumerate(lines) if line.rstrip().endswith(MARK) and "public_on:" in line]
    if len(marked) != 1:
        raise BadInput(f"the platform file has {len(marked)} lines with 'public_on:' that end in '{MARK}'; it needs exactly one")
    (number,) = marked
    key = lines[number].partition(":")[0]
    lines[number] = f"{key}: {public_on:%Y-%m-%dT%H:%M:%SZ} {MARK}\n"
    return "".join(lines)


def copy_dated(source: Path, target: Path, set_up_on: datetime) -> bool:
    """Write the dated copy, whole or not at all, and tell whether it did; a copy that is there stays as it is."""
    if target.exists():
        return False
    write(target, dated(source.read_text(encoding="utf-8"), a_year_after(set_up_on)))
    return True
