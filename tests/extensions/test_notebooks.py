"""The tutorials run: every cell, offline, for one who may read everything and for one who may not."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.extensions.views import SENTENCE

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("**/*.ipynb"))


def run(path: Path, folder: Path, environment: dict[str, str]) -> nbformat.NotebookNode:
    """Run all cells in a kernel of its own."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=90, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, **environment})
    return notebook


def texts(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    """Return the printed texts (stdout, stderr) of all cells."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output.text for output in outputs if output.output_type == "stream" and output.name == kind]


def pictures(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


@pytest.fixture
def environment(tmp_path):
    home = tmp_path / "own"
    home.mkdir()
    return {"HOME": str(home), "MPLCONFIGDIR": str(home), "IPYTHONDIR": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime")}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs_for_a_member_of_the_team(view, tmp_path, environment, path) -> None:
    notebook = run(path, tmp_path, environment)
    assert pictures(notebook) == 4
    assert texts(notebook, "stderr") == []
    written = next((view / "teams/craft").glob("first-light-*.ecsv"))
    assert str(written) in "".join(texts(notebook, "stdout"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_somebody_of_another_team_reads_until_when_and_whom_to_ask(other_view, tmp_path, environment, path) -> None:
    notebook = run(path, tmp_path, environment)
    assert SENTENCE in [" ".join(text.split()) for text in texts(notebook, "stdout")]
    assert pictures(notebook) == 3
    assert texts(notebook, "stderr") == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_has_one_picture_and_names_no_machine(path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert pictures(notebook) == 1
    assert texts(notebook, "stderr") == []
    for word in ("/tmp", "/home/", "/work", "http://", "https://"):
        assert word not in "".join(cell.source for cell in notebook.cells)
    assert not [cell for cell in notebook.cells if cell.get("execution_count")]
