"""What a state directory remembers of the platform that ran in it last."""

import json
from pathlib import Path

from pydantic import ValidationError

from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform


def file_of_last_start(var: Var) -> Path | None:
    """Return the platform file of the last start; None where nothing was started, or by another version."""
    try:
        named = json.loads(var.last_start.read_text())["platform_file"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Path(named) if named else var.own_platform


def read_last_good(path: Path) -> Platform | None:
    """Return the platform that ran last; None where none did or it cannot be read any more."""
    try:
        return Platform.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError):
        return None
