"""The tutorials run: every cell, offline, for one who may read everything and for one who may not."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import bowerbird
import nbformat
import pytest
from bowerbird_config.load import load
from bowerbird_config.table_order import ReleaseOrder, TableOrder
from bowerbird_services.identity import Identities, Records
from bowerbird_services.ingest import run as ingest
from demo_releases import a370, gaia_bright, ngc
from demo_releases.originals import Stock
from nbclient import NotebookClient

from tests.extensions.views import SENTENCE
from tests.services.people import Tokens
from tests.services.real import service

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("**/*.ipynb"))
FIRST, CROSSMATCH, CUTOUTS = (ROOT / f"notebooks/{name}.ipynb" for name in ("tutorial", "crossmatch", "cutouts"))
# Where the executed notebook is written, for who has to store its picture anew.
WIDGET = "application/vnd.jupyter.widget-view+json"
KEEP = "BOWERBIRD_KEEP_NOTEBOOK"
DOWNLOADS = Path(os.environ.get("BOWERBIRD_DEMO_DATA") or ROOT / ".bowerbird/demo-data")


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


@pytest.fixture(scope="module")
def fonts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where matplotlib has its list of fonts, of which it says something where that takes it more than five seconds to make."""
    place = tmp_path_factory.mktemp("fonts")
    command = [sys.executable, "-c", "import matplotlib.font_manager"]
    subprocess.run(command, env={**os.environ, "MPLCONFIGDIR": str(place)}, check=True, capture_output=True, timeout=120)
    return place


@pytest.fixture
def environment(tmp_path, fonts):
    home = tmp_path / "own"
    home.mkdir()
    return {"HOME": str(home), "MPLCONFIGDIR": str(fonts), "IPYTHONDIR": str(home), "JUPYTER_RUNTIME_DIR": str(home / "runtime")}


def test_every_cell_runs_for_a_member_of_the_team(view, tmp_path, environment) -> None:
    notebook = run(FIRST, tmp_path, environment)
    assert pictures(notebook) == 4
    assert texts(notebook, "stderr") == []
    written = next((view / "teams/craft").glob("first-light-*.ecsv"))
    assert str(written) in "".join(texts(notebook, "stdout"))


def test_somebody_of_another_team_reads_until_when_and_whom_to_ask(other_view, tmp_path, environment) -> None:
    notebook = run(FIRST, tmp_path, environment)
    assert SENTENCE in [" ".join(text.split()) for text in texts(notebook, "stdout")]
    assert pictures(notebook) == 3
    assert texts(notebook, "stderr") == []


@pytest.fixture
def tables(view, tmp_path) -> Iterator[str]:
    """The real catalogues in the view, and the service of their tables."""
    if not DOWNLOADS.is_dir():
        pytest.skip("needs the packages with the data: ./bowerbird up unpacks them into .bowerbird/demo-data")
    platform = load(ROOT / "config/default/platform.yaml")
    orders = []
    for release in (gaia_bright.RELEASE, ngc.RELEASE, a370.RELEASE):
        place = view / "releases" / release.collection / release.name
        for product in release.products if release is a370.RELEASE else release.products[:1]:
            product.make(Stock(DOWNLOADS), place / product.name)
        asked = platform.collections[release.collection].releases[release.name].tables
        orders.append(ReleaseOrder(collection=release.collection, release=release.name, directory=place, tables=asked))
    (tmp_path / "tables").mkdir()
    assert ingest.run(TableOrder(releases=tuple(orders)), tmp_path / "tables", print) == 0
    with service(tmp_path, Identities(Records(platform), Tokens(), lambda: datetime.now(UTC))) as (address, _):
        yield f"{address}/tap"


def test_nebulae_and_the_stars_that_light_them_are_matched(tables, tmp_path, environment) -> None:
    # The lab's own environment does this at the start of each kernel.
    profile = tmp_path / "own/profile_default"
    profile.mkdir()
    (profile / "ipython_config.json").write_text('{"InteractiveShellApp": {"extensions": ["bowerbird.lab"]}}')
    notebook = run(CROSSMATCH, tmp_path, {**environment, "BOWERBIRD_TAP_URL": tables})
    if KEEP in os.environ:
        nbformat.write(notebook, os.environ[KEEP])
    assert texts(notebook, "stderr") == []
    assert pictures(notebook) == 2
    printed = "".join(texts(notebook, "stdout"))
    found = re.search(r"(\d+) nebulae, of which (\d+) have a bright star", printed)
    assert found
    assert int(found[1]) > 400
    assert 30 < int(found[2]) < 60
    assert "Bright stars of Gaia DR3: " in printed


def test_a_thousand_sources_are_cut_looked_at_and_stacked(tables, tmp_path, environment) -> None:
    notebook = run(CUTOUTS, tmp_path, {**environment, "BOWERBIRD_TAP_URL": tables})
    if KEEP in os.environ:
        nbformat.write(notebook, os.environ[KEEP])
    assert texts(notebook, "stderr") == []
    assert pictures(notebook) == 1
    printed = "".join(texts(notebook, "stdout"))
    found = re.search(r"(\d+) of (\d+) cut in ", printed)
    assert found
    assert int(found[1]) == int(found[2]) > 900
    (linked,) = [output for cell in notebook.cells for output in cell.get("outputs", []) if WIDGET in output.get("data", {})]
    assert "VBox" in linked["data"]["text/plain"]


def test_the_cone_in_the_page_for_researchers_brings_rows(tables, monkeypatch) -> None:
    monkeypatch.setenv("BOWERBIRD_TAP_URL", tables)
    (line,) = re.findall(r"^    around = (.*)$", (ROOT / "docs/researchers.md").read_text(), re.MULTILINE)
    assert len(eval(line, {"bowerbird": bowerbird})) > 0  # noqa: S307  # the page is ours


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_stored_notebook_has_one_picture_and_names_no_machine(path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert pictures(notebook) == 1
    assert texts(notebook, "stderr") == []
    for word in ("/tmp", "/home/", "/work", "http://", "https://"):
        assert word not in "".join(cell.source for cell in notebook.cells)
    assert not [cell for cell in notebook.cells if cell.get("execution_count")]
