"""What a space charges for what lies in it: one rule for its meter and for the scan that sets the meter right."""

import os
import stat

# For each name, and for all extended attributes of a file.
ENTRY_BYTES = 4096
# The folder at the top of a space where what was deleted lies.
TRASH = b".trash"


def size_of(st: os.stat_result) -> int:
    """Return the bytes that a file or a link is charged beside its name."""
    return st.st_size if stat.S_ISREG(st.st_mode) or stat.S_ISLNK(st.st_mode) else 0


def is_trash(directory: bytes) -> bool:
    """Tell whether what lies in that directory of a space lies in the trash."""
    return directory == TRASH or directory.startswith(TRASH + b"/")
