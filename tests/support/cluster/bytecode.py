"""Bytecode of an image's Python, which `images/` compiles: it is never compared with its source, whose date an image does not keep."""

import marshal
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path, PurePosixPath

from tests.support.cluster.images import Files

# PEP 552: by the hash of its source, and unchecked; or by the date and size of its source.
_UNCHECKED, _BY_DATE = (1).to_bytes(4, "little"), (0).to_bytes(4, "little")
_HEADER = 16


def compiled(files: Files) -> dict[str, bytes]:
    """Return the bytecode of an image's modules, under the paths where Python looks for it."""
    found: dict[str, bytes] = {}
    for name, path in files.items():
        if isinstance(path, Path) and name.endswith(".py"):
            # Some packages have templates and tests of other Pythons among their modules.
            with suppress(SyntaxError, ValueError):
                found[cache_from_source(PurePosixPath(name))] = _bytecode(path)
    return found


def _bytecode(path: Path) -> bytes:
    source = path.read_bytes()
    code = _at_hand(path, len(source)) or marshal.dumps(compile(source, str(path), "exec", dont_inherit=True))
    return MAGIC_NUMBER + _UNCHECKED + source_hash(source) + code


def _at_hand(path: Path, size: int) -> bytes:
    """Return the code of this machine's own bytecode, where that is of now."""
    with suppress(FileNotFoundError):
        kept = Path(cache_from_source(path)).read_bytes()
        date = int(path.stat().st_mtime).to_bytes(4, "little")
        if kept[:_HEADER] == MAGIC_NUMBER + _BY_DATE + date + size.to_bytes(4, "little"):
            return kept[_HEADER:]
    return b""
