"""Crashes, stops and a hub that is away: what people feel of them, and what is left."""

import json
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
from bowerbird_fuse import mount

from tests.support.data_rig import DataRig, Person, eventually, member, record
from tests.support.feed import Feed

pytestmark = [pytest.mark.root, pytest.mark.fuse]

READER = """
    Path('home/started').touch()
    fd = os.open('releases/sky/dr2/cubes/deep.fits', os.O_RDONLY)
    log = open('home/log', 'ab', 0)
    os.chdir('releases/sky/dr2/cubes')
    done, n = 0, 0
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    while not os.path.exists('../../../../home/stop'):
        assert os.pread(fd, 256, 256 * (n % 4096)) == bytes(range(256))
        assert os.stat('deep.fits').st_size == 256 * 4096
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        log.write(b'x')
        n += 1
    answer = n
"""


def reading(rig: DataRig, person: Person) -> "subprocess.Popen[str]":
    child = person.start(READER)
    eventually((rig.var.homes / "ann/started").exists, 20)
    return child


def finish(rig: DataRig, child: "subprocess.Popen[str]") -> int:
    (rig.var.homes / "ann/stop").touch()
    out, err = child.communicate(timeout=30)
    assert '"answer"' in out, (out, err, rig.log.read_text())
    return int(out.split(":")[1].strip(" }\n"))


def grows(rig: DataRig) -> None:
    log = rig.var.homes / "ann/log"
    size = log.stat().st_size
    eventually(lambda: log.stat().st_size > size + 20)


def _is_another(rig: DataRig, worker: int) -> bool:
    return rig.worker("ann") != worker


def start_with(rig: DataRig, tmp_path: Path, site: str) -> None:
    """Start the keeper anew, itself and its workers with that code at their start."""
    assert rig.stop() == 0
    (tmp_path / "sitecustomize.py").write_text(site)
    rig.python_path = (str(tmp_path),)
    rig.start()


def test_reads_go_on_when_workers_are_killed(rig: DataRig, ann: Person) -> None:
    child = reading(rig, ann)
    for _ in range(3):
        before = rig.worker("ann")
        os.kill(before, signal.SIGKILL)
        eventually(partial(_is_another, rig, before))
        grows(rig)
    rounds = finish(rig, child)
    # Each round appended one byte: none was lost; one that a killed worker had done may have been asked for again.
    assert rounds <= (rig.var.homes / "ann/log").stat().st_size <= rounds + 3


def test_view_comes_back_after_it_was_unmounted_behind_the_keepers_back(rig: DataRig, ann: Person) -> None:
    rig.worker("ann")
    mount.detach(ann.path)
    eventually(lambda: ann.path in rig.mounts(), 20)
    rig.worker("ann")
    assert ann.do("answer = os.listdir('releases/sky')") == ["dr1", "dr2", "dr4"]


def test_second_keeper_of_one_platform_says_so_and_changes_nothing(rig: DataRig, ann: Person) -> None:
    worker = rig.worker("ann")
    second = rig.start_another()
    assert second.wait(20) != 0
    assert "another keeper works on" in rig.log.read_text()
    assert rig.worker("ann") == worker


WITNESS = """
import os, sys
def witness(event, arguments):
    if event == 'import' and os.getuid() != 0:
        os.write(2, f'late import of {arguments[0]}\\n'.encode())
sys.addaudithook(witness)
os.write(2, b'the witness is there\\n')
"""


def test_worker_imports_nothing_once_it_is_not_root(rig: DataRig, tmp_path: Path) -> None:
    start_with(rig, tmp_path, WITNESS)
    ann = rig.mount("ann")
    ann.sh("ls -laR . > home/list; cat releases/sky/*/README >> home/list; touch teams/ant/x; df . > /dev/null")
    os.kill(rig.worker("ann"), signal.SIGKILL)
    ann.sh("cat home/list > /dev/null")
    rig.know(record("ann", version=2))
    eventually(lambda: ann.do("answer = os.listdir('releases/sky')") == ["dr1", "dr4"])
    assert rig.stop() == 0
    # One for the keeper and one for each of at least three workers.
    assert rig.log.read_text().count("the witness is there") >= 4
    assert "late import" not in rig.log.read_text()


def test_call_that_waits_while_no_worker_is_there_is_answered(rig: DataRig, ann: Person) -> None:
    worker = rig.worker("ann")
    os.kill(worker, signal.SIGSTOP)
    with ann.start("answer = os.listdir('releases/sky')") as child:
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        os.kill(worker, signal.SIGKILL)
        out, _ = child.communicate(timeout=20)
    assert out == '{"answer": ["dr1", "dr2", "dr4"]}\n'


STANDSTILL = """
import os, signal
from bowerbird_fuse.stores.space import SpaceEntry
child = SpaceEntry.child
def stands_still(entry, name):
    if name == b'standstill':
        try: os.mkdir('stood', dir_fd=entry.fd)
        except FileExistsError: pass
        else: os.kill(os.getpid(), signal.SIGSTOP)
    return child(entry, name)
SpaceEntry.child = stands_still
"""
OLD_KERNEL = """
from bowerbird_fuse import mount, notify
mount.Device.asks_again = property(lambda self: False)
notify._RESEND = 99
"""


def answer_after_a_kill(rig: DataRig, tmp_path: Path, site: str) -> str:
    """Kill the worker that has taken a call and not answered it; return how the call ends."""
    start_with(rig, tmp_path, site)
    ann = rig.mount("ann")
    worker = rig.worker("ann")
    with ann.start("""
        try: os.stat('home/standstill')
        except OSError as error: answer = errno.errorcode[error.errno]
    """) as child:
        eventually(lambda: (rig.var.homes / "ann/stood").exists() and " T " in Path(f"/proc/{worker}/stat").read_text(), 20)
        os.kill(worker, signal.SIGKILL)
        out, _ = child.communicate(timeout=20)
    rig.worker("ann")
    assert ann.do("answer = os.listdir('home')") == ["stood"]
    return str(json.loads(out)["answer"])


def test_call_that_a_killed_worker_had_taken_is_answered_by_the_next(rig: DataRig, tmp_path: Path) -> None:
    assert answer_after_a_kill(rig, tmp_path, STANDSTILL) == "ENOENT"
    assert "is given up" not in rig.log.read_text()


def test_call_that_a_killed_worker_had_taken_ends_on_a_kernel_that_does_not_ask_again(rig: DataRig, tmp_path: Path) -> None:
    assert answer_after_a_kill(rig, tmp_path, STANDSTILL + OLD_KERNEL) in {"ENOTCONN", "ECONNABORTED"}


def test_mount_that_was_given_up_goes_with_the_one_on_top_of_it(rig: DataRig, tmp_path: Path) -> None:
    answer_after_a_kill(rig, tmp_path, STANDSTILL + OLD_KERNEL)
    assert [path.name for path in rig.mounts()].count("ann") == 2
    assert rig.order(op="unmount", user="ann")["ok"]
    assert "ann" not in [path.name for path in rig.mounts()]
    assert not (rig.var.views / "ann").exists()


def test_worker_is_replaced_under_open_files_on_a_kernel_that_does_not_ask_again(rig: DataRig, tmp_path: Path) -> None:
    start_with(rig, tmp_path, OLD_KERNEL)
    child = reading(rig, rig.mount("ann"))
    before = rig.worker("ann")
    rig.know(record("ann", member("ant"), member("bee"), version=2))
    eventually(partial(_is_another, rig, before))
    grows(rig)
    finish(rig, child)
    assert "is given up" not in rig.log.read_text()


def test_keeper_killed_and_started_again_takes_the_view_over(rig: DataRig, ann: Person) -> None:
    child = reading(rig, ann)
    before = rig.worker("ann")
    rig.kill_keeper()
    grows(rig)
    rig.start()
    assert rig.worker("ann") != before
    grows(rig)
    finish(rig, child)
    assert rig.order(op="mount", user="ann") == {"ok": True, "path": str(ann.path)}
    rig.know(record("ann", version=2))
    eventually(lambda: ann.do("answer = os.listdir('releases/sky')") == ["dr1", "dr4"])


def test_new_keeper_takes_over_without_a_hub(rig: DataRig, ann: Person) -> None:
    rig.worker("ann")
    rig.feed.stop()
    rig.kill_keeper()
    rig.start()
    # Without hub and written platform file nothing is decided anew, and the worker serves what was decided.
    assert ann.do("answer = os.listdir('releases/sky')") == ["dr1", "dr2", "dr4"]
    rig.feed = Feed(rig.var.identity_socket, rig.platform)
    rig.feed.start()
    rig.know(record("ann"))
    eventually(lambda: rig.order(op="status")["views"])
    assert rig.order(op="mount", user="ann")["ok"]


def test_keeper_starts_from_the_written_platform_file(rig: DataRig, ann: Person) -> None:
    rig.worker("ann")
    rig.feed.stop()
    rig.kill_keeper()
    rig.var.platform.parent.mkdir(parents=True)
    rig.var.platform.write_text(rig.platform.model_dump_json())
    rig.start()
    rig.worker("ann")
    assert ann.do("answer = os.listdir('releases/sky')") == ["dr1", "dr2", "dr4"]


def test_view_goes_on_while_the_hub_is_away(rig: DataRig, ann: Person) -> None:
    rig.feed.stop()
    assert ann.do("answer = Path('releases/sky/dr2/catalogue.txt').read_text()") == "stars of dr2\n"
    assert rig.order(op="mount", user="ann")["ok"]
    rig.feed = Feed(rig.var.identity_socket, rig.platform)
    rig.know(record("ann", version=2))
    rig.feed.start()
    eventually(lambda: ann.do("answer = os.listdir('releases/sky')") == ["dr1", "dr4"])


def test_terminated_keeper_leaves_no_mount_no_process_no_socket(rig: DataRig, ann: Person, bob: Person) -> None:
    held = ann.start("f = open('releases/sky/dr2/catalogue.txt'); os.chdir('home'); Path('in').touch(); time.sleep(60)")
    eventually((rig.var.homes / "ann/in").exists, 20)
    assert rig.stop() == 0
    assert rig.mounts() == []
    assert rig.workers() == []
    assert list((rig.var.run / "keeper").iterdir()) == []
    assert list(rig.var.views.iterdir()) == []
    assert not rig.var.keeper_socket.exists()
    held.kill()
    held.communicate(timeout=10)


def test_worker_that_stands_still_does_not_hold_up_the_end(rig: DataRig, ann: Person) -> None:
    os.kill(rig.worker("ann"), signal.SIGSTOP)
    begin = time.monotonic()
    assert rig.stop() == 0
    assert time.monotonic() - begin < 10
    assert rig.workers() == []


def test_unmount_ends_the_worker_and_mount_begins_anew(rig: DataRig, ann: Person) -> None:
    worker = rig.worker("ann")
    assert rig.order(op="unmount", user="ann") == {"ok": True}
    assert ann.path not in rig.mounts()
    eventually(lambda: not os.path.exists(f"/proc/{worker}"))
    assert rig.mount("ann").do("answer = os.listdir('home')") == []


def test_orders_that_cannot_be_carried_out_say_why(rig: DataRig) -> None:
    assert "is it running" in rig.order(op="mount", user="nobody-known")["error"]
    assert "cannot name a directory" in rig.order(op="mount", user="../root")["error"]
    assert "is no order" in rig.order(op="dance")["error"]
    assert rig.order(op="status")["ok"]


def test_home_that_is_somebody_elses_is_not_given_away(rig: DataRig) -> None:
    home = rig.var.homes / "ann"
    home.mkdir(parents=True)
    (home / "file").write_text("old")
    answer = rig.order(op="mount", user="ann")
    assert not answer["ok"]
    assert "belongs to 0:0" in answer["error"]
    assert home.stat().st_uid == 0


def test_news_that_cannot_be_understood_is_left_out(rig: DataRig, ann: Person) -> None:
    rig.feed.say({"kind": "platform", "platform": {"bowerbird": 7}})
    rig.feed.say({"kind": "identity", "record": {"name": "ann"}})
    rig.feed.say({"kind": "weather"})
    rig.know(record("ann", version=3))
    eventually(lambda: ann.do("answer = os.listdir('releases/sky')") == ["dr1", "dr4"])
    rig.know(record("ann", member("ant"), version=4))
    eventually(lambda: ann.do("answer = os.listdir('releases/sky')") == ["dr1", "dr2", "dr4"])
