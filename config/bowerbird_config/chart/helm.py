"""Helm, where there is one: the program on PATH, else its library from a wheel."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_LIBRARY = "helm_python"
_SECONDS = 60


class HelmMissing(Exception):
    """There is no Helm here; the text says how to get one."""

    def __init__(self) -> None:
        super().__init__(
            "there is no Helm here, which makes the manifests; put the program 'helm' on PATH (https://helm.sh says how), "
            f"or install the Python package helm-python-sdk for this command: {_install_line(Path(sys.prefix))}"
        )


def _install_line(prefix: Path) -> str:
    """Return the line that installs the library into an environment, which has no pip of its own: by the set-up's uv where there is one."""
    python, uv = str(prefix / "bin" / "python"), prefix.parent.parent / "tools" / "uv"
    words = (str(uv), "pip", "install", "--python", python) if uv.exists() else ("python3", "-m", "pip", "--python", python, "install")
    return shlex.join((*words, "helm-python-sdk"))


class HelmRefused(Exception):
    """Helm does not render the chart with these values; the text is Helm's own."""


def render(chart: Path, values: Mapping[str, Any], release: str, namespace: str) -> str:
    """Return the manifests of a release as YAML, hooks among them; HelmMissing or HelmRefused where there are none."""
    program = shutil.which("helm")
    if program is not None:
        return _by_program(program, chart, values, release, namespace)
    if find_spec(_LIBRARY) is None:
        raise HelmMissing
    return "".join(text for _, text in sorted(by_library(chart, values, release, namespace).items()))


def _by_program(program: str, chart: Path, values: Mapping[str, Any], release: str, namespace: str) -> str:
    command = [program, "template", release, str(chart), "--namespace", namespace, "--values", "-"]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise HelmRefused(done.stderr.strip())
    return done.stdout


def by_library(chart: Path, values: Mapping[str, Any], release: str, namespace: str, **more: Any) -> dict[str, str]:
    """Return what each template gives, as documents that begin with a line of their own."""
    library = import_module(_LIBRARY)
    try:
        with library.Chart.load(chart) as loaded:
            found = loaded.render(dict(values), name=release, namespace=namespace, **more)
    except library.HelmError as error:
        raise HelmRefused(str(error)) from error
    return {name: _begun(text, name) for name, text in found.items() if text.strip() and name.endswith(".yaml")}


def _begun(text: str, name: str) -> str:
    return f"---\n# Source: {name}\n{text.strip().removeprefix('---').lstrip()}\n"
