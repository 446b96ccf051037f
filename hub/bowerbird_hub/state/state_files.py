"""Small files of our own state: written whole or not at all, read with suspicion."""

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Mapping[str, Any], mode: int = 0o600) -> None:
    """Put JSON into a file, whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n", mode)


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Put text into a file, whole or not at all."""
    write_bytes(path, text.encode(), mode)


def write_bytes(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put bytes into a file, whole or not at all, also when the disk is full."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:  # whatever stopped it, no draft is left behind
        with suppress(FileNotFoundError):
            draft.unlink()
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Return what `write_json` wrote; empty where there is nothing or it was damaged."""
    try:
        value = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
