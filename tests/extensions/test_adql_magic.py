"""`%%adql` in a real IPython shell, against a service over a socket."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import bowerbird
import pytest
from bowerbird.lab.adql_magic import options, underlined
from bowerbird.lab.result_table import ResultTable
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from tests.support.tap_server import Behaviour, Reply, broken, numbers, tap_server

QUERY = "SELECT id,\n\tfoo FROM demo.stars\n"


@pytest.fixture
def tap() -> Iterator[Behaviour]:
    with tap_server() as behaviour:
        yield behaviour


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    made = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    assert made.extension_manager
    made.extension_manager.load_extension("bowerbird.lab")
    return made


def test_the_rows_of_a_cell_are_shown_and_are_in_a_variable(shell: InteractiveShell, tap: Behaviour) -> None:
    shell.user_ns["mine"] = {"a": [1, 2]}
    shown = shell.run_cell_magic("adql", f"rows --service {tap.url} --limit 10 --upload mine", QUERY)
    assert isinstance(shown, ResultTable)
    assert len(shell.user_ns["rows"]) == 3
    (asked,) = tap.asked("POST", "/sync")
    assert shell.user_ns["rows"].meta["query"] == QUERY
    assert (asked.form["QUERY"], asked.form["MAXREC"], list(asked.files)) == (QUERY, "10", ["mine"])


def test_an_error_is_underlined_at_its_column(shell: InteractiveShell, tap: Behaviour, capsys: pytest.CaptureFixture[str]) -> None:
    tap.odd = lambda seen: Reply(400, broken("line 2, column 2: no column foo")) if "/sync" in seen.path else None
    with pytest.raises(bowerbird.QueryRefused, match="no column foo"):
        shell.run_cell_magic("adql", f"--service {tap.url}", QUERY)
    assert capsys.readouterr().err == "\tfoo FROM demo.stars\n\t^\n"


def test_rows_that_the_limit_cut_off_are_told_in_one_line(
    shell: InteractiveShell, tap: Behaviour, capsys: pytest.CaptureFixture[str]
) -> None:
    tap.answer = lambda _: numbers(2, overflow=True)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        shell.run_cell_magic("adql", f"rows --service {tap.url} --limit 2", QUERY)
    said = f"Overflow: {tap.url} cut the answer off at 2 rows; ask for more with limit=, or for fewer in the query\n"
    assert capsys.readouterr().err == said
    assert shell.user_ns["rows"].meta["overflow"]


def test_a_message_without_a_place_underlines_nothing() -> None:
    assert underlined(QUERY, "no column foo") == ""
    assert underlined(QUERY, "line 9, column 1: x") == ""


@pytest.mark.parametrize("line", ["a b", "--limit many", "9lives", "--what"])
def test_a_first_line_that_makes_no_sense_is_refused_with_its_usage(line: str) -> None:
    with pytest.raises(ValueError, match="it is %%adql"):
        options(line)


def test_a_table_that_is_not_there_is_not_asked_with(shell: InteractiveShell, tap: Behaviour) -> None:
    with pytest.raises(ValueError, match="there is no variable mine"):
        shell.run_cell_magic("adql", f"--service {tap.url} --upload mine", QUERY)
    assert not tap.seen


def test_a_shell_starts_without_what_only_a_query_needs(tmp_path: Path) -> None:
    code = """
import sys
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell().extension_manager.load_extension("bowerbird.lab")
assert not {"astropy", "numpy", "httpx", "anywidget"} & set(sys.modules), sorted(sys.modules)
"""
    environment = {"HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
