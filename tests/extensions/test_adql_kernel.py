"""`%%adql` in a real kernel of the lab's environment: there from the start, completed, followed and stopped."""

import os
import queue
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from tests.extensions.test_adql_completion import cell, told
from tests.support.tap_server import Behaviour, Reply, broken, tap_server, until

LAB = Path(__file__).parents[2] / ".bowerbird/envs/lab/bin/python"
SECONDS = 60


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
    """Start one kernel for these tests, as a lab does."""
    if not (LAB.parents[1] / "etc/ipython").exists():
        pytest.skip("needs the lab environment: ./bowerbird test makes it")
    home = str(tmp_path_factory.mktemp("home"))
    manager = KernelManager()
    manager._kernel_spec = KernelSpec(argv=[str(LAB), "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "XDG", "BOWERBIRD"))}
    manager.start_kernel(env={**environment, "HOME": home, "IPYTHONDIR": home})
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=SECONDS)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def tap() -> Iterator[Behaviour]:
    with tap_server() as behaviour:
        yield behaviour


def heard(client: BlockingKernelClient, asked: str) -> list[tuple[str, dict[str, Any]]]:
    """Return all that a cell made, until it is done."""
    found: list[tuple[str, dict[str, Any]]] = []
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            message = client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        if message["parent_header"].get("msg_id") != asked:
            continue
        if message["content"].get("execution_state") == "idle":
            return found
        found.append((message["msg_type"], message["content"]))
    raise AssertionError(f"the cell did not end: {found}")


def run(client: BlockingKernelClient, code: str) -> list[tuple[str, dict[str, Any]]]:
    return heard(client, client.execute(code))


def printed_by(made: list[tuple[str, dict[str, Any]]]) -> str:
    """Return what a cell printed; it comes in one piece or in several, as the clock will have it."""
    return "".join(content["text"] for kind, content in made if kind == "stream")


def states(made: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return what widgets told the browser."""
    return [content["data"].get("state", {}) for kind, content in made if kind in {"comm_open", "comm_msg"}]


def test_a_cell_is_a_query_without_anything_loaded_before(kernel: Any, tap: Behaviour) -> None:
    _, client = kernel
    made = run(client, cell(f"{tap.url} rows --limit 5", "SELECT id FROM demo.stars"))
    (shown,) = [content for kind, content in made if kind == "execute_result"]
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    assert "9007199254740993" in shown["data"]["text/html"]
    printed = run(client, "print(len(rows), rows['id'][0])")
    assert printed_by(printed) == "3 9007199254740993\n"


def test_a_job_is_followed_with_a_bar_and_an_interrupt_stops_it(kernel: Any, tap: Behaviour) -> None:
    manager, client = kernel
    tap.finishes = False
    asked = client.execute(cell(f"{tap.url} rows --limit 5 --background", "SELECT id FROM demo.stars"))
    # It is left to its service at first, and then asked for again and again: some of that is to be seen.
    until(tap, lambda: [seen for seen in tap.seen if "WAIT" in seen.path] and len(tap.seen) > 8)
    manager.interrupt_kernel()
    made = heard(client, asked)
    assert [content["ename"] for kind, content in made if kind == "error"] == ["KeyboardInterrupt"]
    assert [what for _, what in tap.ended] == ["ABORT", "DELETE"]
    told = [state["words"] for state in states(made) if "words" in state]
    assert told
    assert told[-1].startswith("The service computes, ")
    assert "comm_close" in [kind for kind, _ in made]


def completed(client: BlockingKernelClient, code: str) -> dict[str, str]:
    """Return what is proposed at the end of the code, and what stands beside each."""
    answer = client.complete(code, reply=True, timeout=SECONDS)["content"]
    return {one["text"]: one["type"] for one in answer["metadata"]["_jupyter_types_experimental"]}


def test_names_are_completed_with_unit_and_description(kernel: Any, tap: Behaviour) -> None:
    _, client = kernel
    tap.answer = told
    run(client, "from astropy.table import QTable; mine = QTable({'height': [1]})")
    first = partial(cell, tap.url)
    assert completed(client, first("SELECT * FROM demo.st")) == {"demo.stars": "table Some stars"}
    assert completed(client, first("SELECT s.m FROM demo.stars AS s WHERE s.m")) == {"mag": "column mag · Brightness"}
    assert completed(client, first("SELECT DIST")) == {
        "DISTINCT": "keyword",
        "DISTANCE": "function (ra1, dec1, ra2, dec2) · deg",
    }
    assert completed(client, first("SELECT * FROM TAP_UPLOAD.mine AS m WHERE m.he")) == {"height": "column"}


def test_where_the_service_is_gone_the_words_of_the_language_remain(kernel: Any) -> None:
    _, client = kernel
    assert completed(client, cell("http://127.0.0.1:9/tap", "SELECT * FROM a WHERE dist")) == {
        "DISTINCT": "keyword",
        "DISTANCE": "function (ra1, dec1, ra2, dec2) · deg",
    }
    assert "import" in completed(client, "impor")


def test_an_error_is_underlined_at_its_column(kernel: Any, tap: Behaviour) -> None:
    _, client = kernel
    tap.odd = lambda seen: Reply(400, broken("line 1, column 8: no column foo")) if "/sync" in seen.path else None
    made = run(client, cell(tap.url, "SELECT foo FROM demo.stars"))
    assert printed_by(made) == "SELECT foo FROM demo.stars\n       ^\n"
    (error,) = [content for kind, content in made if kind == "error"]
    assert error["ename"] == "QueryRefused"
