"""The service in two processes: both answer for images as one service, whichever of them is killed, stopped or started."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import pytest
from bowerbird_config.image_parts import IMAGE_PARTS
from bowerbird_services.app import create_images
from starlette.routing import Mount

from tests.services import bad_worker, gallery, gallery_processes
from tests.services.stopping import needs_two_cores, stopped
from tests.services.waiting import until
from tests.support.processes import children

_ROOT = Path(__file__).parents[2]
START_SECONDS = 120
# More than sockets hold, so that it is on its way for as long as its client reads nothing.
LARGE = 256 << 20


@dataclass
class Pair:
    """A running service: its main process, and where both and where the main one alone answer."""

    main: "subprocess.Popen[str]"
    place: Path
    images: str
    everything: str
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def log(self) -> Path:
        return self.place / "log"

    @property
    def workers(self) -> tuple[int, ...]:
        return children(self.main.pid) if self.main.poll() is None else ()

    def figure(self, name: str) -> float:
        lines = httpx.get(f"{self.everything}/metrics", timeout=30).text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def until_both(self) -> Self:
        until(lambda: self.figure("bowerbird_services_workers") == 1, START_SECONDS)
        return self

    def client(self, *, of_worker: bool) -> httpx.Client:
        """Return a client whose one connection one of the two has accepted: the other is stopped meanwhile."""
        other = self.main.pid if of_worker else self.workers[0]
        limits = httpx.Limits(max_connections=1)
        found = self.stack.enter_context(httpx.Client(base_url=self.images, limits=limits, timeout=30))
        with stopped(other):
            assert found.get("/soda/availability").status_code == 200
        return found


@contextmanager
def started(place: Path, *before: str, at_once: int = 4) -> Iterator[Pair]:
    command = [*before, sys.executable, "-m", gallery_processes.__name__, str(place), "--at-once", str(at_once)]
    with ExitStack() as stack:
        log = stack.enter_context((place / "log").open("ab"))
        main = stack.enter_context(subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=log, text=True))
        assert main.stdout is not None
        images, everything = (main.stdout.readline().strip() for _ in range(2))
        found = Pair(main, place, images, everything, stack)
        try:
            until(lambda: _answers(f"{everything}/soda/availability"), START_SECONDS)
            yield found
        finally:
            left = found.workers
            main.terminate()
            main.wait(START_SECONDS)
            until(lambda: not any(map(_lives, left)))


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def _lives(pid: int) -> bool:
    """Tell whether a process is there; one that has ended and waits for its parent is not."""
    try:
        return not re.search(r"^State:\tZ", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return False


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with started(tmp_path_factory.mktemp("pair"), at_once=1) as found:
        large = found.place / "releases/demo/dr1/large.bin"
        large.touch()
        os.truncate(large, LARGE)
        yield found.until_both()


@needs_two_cores
def test_answers_of_both_are_counted_together(pair: Pair) -> None:
    name = 'bowerbird_services_answers_total{part="soda",status="400"}'
    before = pair.figure(name)
    for of_worker in (True, False):
        client = pair.client(of_worker=of_worker)
        for _ in range(3):
            assert client.get("/soda/sync").status_code == 400
    until(lambda: pair.figure(name) == before + 6)


@needs_two_cores
def test_worker_answers_for_images_and_for_nothing_else(pair: Pair) -> None:
    client = pair.client(of_worker=True)
    assert [client.get(path).status_code for path in ("/sia2/availability", "/tap/availability", "/metrics")] == [200, 404, 404]


@needs_two_cores
@pytest.mark.parametrize("first", [True, False])
def test_limits_hold_for_both_together(pair: Pair, first: bool) -> None:
    """One file at once is on its way to one who asks: the other process sends none until it has come, or its client has gone."""
    holder, other, further = (pair.client(of_worker=of_worker) for of_worker in (first, not first, not first))
    notes = "/products/demo/dr1/notes.txt"
    with ThreadPoolExecutor(1) as pool:
        with holder.stream("GET", "/products/demo/dr1/large.bin") as held:
            assert held.status_code == 200
            waiting = pool.submit(other.get, notes)
            until(lambda: pair.figure("bowerbird_services_at_work") == 2)
            # It is not that the process is slow: of what needs no place it answers much meanwhile.
            assert {further.head(notes).status_code for _ in range(20)} == {200}
            assert not waiting.done()
        assert waiting.result(START_SECONDS).status_code == 200


@needs_two_cores
def test_both_answer_for_a_release_that_is_ingested_while_they_run(pair: Pair) -> None:
    root = pair.place / "releases"
    clients = [pair.client(of_worker=of_worker) for of_worker in (True, False)]
    asked = {"POS": "CIRCLE 120 10 0.1", "RESPONSEFORMAT": "csv"}
    assert [len(client.get("/sia2/query", params=asked).text.splitlines()) for client in clients] == [1, 1]
    gallery.image(root / "demo/dr1/new.fits", 120.0, 10.0)
    gallery.ingest(root, pair.place / "tables")
    until(lambda: all("new.fits" in client.get("/sia2/query", params=asked).text for client in clients))


@needs_two_cores
def test_worker_that_is_killed_is_missed_by_nobody_and_comes_back(pair: Pair) -> None:
    (killed,) = pair.workers
    holder = pair.client(of_worker=True)
    with holder.stream("GET", "/products/demo/dr1/large.bin") as held:
        assert held.status_code == 200
        os.kill(killed, signal.SIGKILL)
        # Its place is free as well.
        with httpx.Client(base_url=pair.images, timeout=30) as client:
            assert client.get("/products/demo/dr1/notes.txt").status_code == 200
    until(lambda: pair.figure("bowerbird_services_workers") == 0 or killed not in pair.workers)
    for _ in range(10):
        assert httpx.get(f"{pair.images}/soda/availability", timeout=30).status_code == 200
    pair.until_both()
    assert pair.workers != (killed,)
    assert pair.client(of_worker=True).get("/datalink/availability").status_code == 200


@needs_two_cores
def test_worker_that_hangs_is_ended_and_another_is_started(pair: Pair) -> None:
    (hanging,) = pair.workers
    os.kill(hanging, signal.SIGSTOP)
    assert httpx.get(f"{pair.images}/soda/availability", timeout=30).status_code == 200
    # After 15 s of silence, and then at once: nobody waits for it to send what it has begun.
    until(lambda: "hangs and is ended" in pair.log.read_text(), 60)
    assert "did not end by itself" not in pair.log.read_text()
    assert not _lives(hanging)
    pair.until_both()


def test_worker_has_each_part_that_is_led_to_it_and_no_other(tmp_path: Path) -> None:
    with gallery.hung(tmp_path, "") as site:
        routes = create_images(site, "/vo", gallery.directories(tmp_path)).routes
    assert sorted(route.path for route in routes if isinstance(route, Mount)) == sorted(f"/vo/{part}" for part in IMAGE_PARTS)
    assert all(isinstance(route, Mount) for route in routes)


@pytest.mark.parametrize("fault", ['{"counts": [', '{"counts": \n', "[]\n", bad_worker.FILES])
def test_worker_that_could_not_be_kept_is_followed_by_another(tmp_path: Path, fault: str) -> None:
    """It dies amidst a line, tells nonsense, or cannot be given a line."""
    command = [sys.executable, "-m", bad_worker.__name__, str(tmp_path / "mark"), fault]
    ran = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=START_SECONDS, check=True)
    assert ran.stdout == "a worker tells\n"
    assert "the worker for images" in ran.stderr, "an admin can see it"


@needs_two_cores
def test_both_send_what_they_have_begun_before_they_end(tmp_path: Path) -> None:
    with started(tmp_path) as pair:
        pair.until_both()
        size = 16 << 20
        os.truncate(_made(pair.place / "releases/demo/dr1/some.bin"), size)
        clients = [pair.client(of_worker=of_worker) for of_worker in (True, False)]
        with ExitStack() as stack:
            answers = [stack.enter_context(client.stream("GET", "/products/demo/dr1/some.bin")) for client in clients]
            pair.main.terminate()
            assert [sum(map(len, answer.iter_raw())) for answer in answers] == [size, size]


def _made(path: Path) -> Path:
    path.touch()
    return path


@needs_two_cores
def test_worker_ends_with_a_main_process_that_is_killed(tmp_path: Path) -> None:
    with started(tmp_path) as pair:
        (worker,) = pair.until_both().workers
        pair.main.kill()
        until(lambda: not _lives(worker))
        assert not _answers(f"{pair.images}/soda/availability")


def test_with_one_core_there_is_one_process_at_both_addresses(tmp_path: Path) -> None:
    one = str(min(os.sched_getaffinity(0)))
    with started(tmp_path, "taskset", "-c", one) as pair:
        assert _answers(f"{pair.images}/soda/availability")
        assert pair.workers == ()
