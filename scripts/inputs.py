"""What the committed requirements were resolved from, as one hash."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

PROJECT_KEYS = ("name", "requires-python", "dependencies", "optional-dependencies")


def dependencies_of(pyproject: Path) -> dict[str, Any]:
    """Return the parts of a pyproject.toml that a resolution depends on."""
    content = tomllib.loads(pyproject.read_text())
    project = content.get("project", {})
    return {
        "project": {key: project[key] for key in PROJECT_KEYS if key in project},
        "groups": content.get("dependency-groups", {}),
        "build": content.get("build-system", {}).get("requires", []),
        "uv": content.get("tool", {}).get("uv", {}),
    }


def inputs(root: Path) -> dict[str, Any]:
    """Return all that `scripts/lock` reads, by file."""
    members = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    pyprojects = [Path("pyproject.toml"), *(Path(member, "pyproject.toml") for member in members)]
    return {
        **{str(path): dependencies_of(root / path) for path in pyprojects},
        "requirements/demo.in": (root / "requirements/demo.in").read_text().splitlines(),
        "package.json": json.loads((root / "package.json").read_text()).get("dependencies", {}),
    }


def digest(root: Path) -> str:
    """Return the hash that `scripts/lock` writes and the staleness test compares."""
    canonical = json.dumps(inputs(root), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
