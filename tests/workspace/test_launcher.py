"""`./bowerbird` itself: from any folder, without a network, without room, without root, twice at once."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.nobody import AS_NOBODY
from tests.support.rig import wait_for

ROOT = Path(__file__).parents[2]
SECONDS = 100
OVERHEAD_SECONDS = 0.5


def run(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False, **options)


def empty_caches(folder: Path) -> dict[str, str]:
    """Return an environment in which no package client finds anything that it fetched before."""
    return {**os.environ, "HOME": str(folder), "UV_CACHE_DIR": str(folder / "uv"), "PIP_NO_CACHE_DIR": "1"}


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
@pytest.mark.parametrize("script", ["bowerbird", "scripts/lock"])
def test_the_scripts_are_plain_shell(shell, script):
    assert run(shell, "-n", ROOT / script).stderr == ""


def test_it_works_from_any_folder_and_through_a_link(tmp_path):
    link = tmp_path / "a link"
    link.symlink_to(ROOT / "bowerbird")
    shown = run(link, "check", "--help", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("Usage:")


@pytest.mark.root
def test_what_is_installed_needs_no_network():
    shown = run("unshare", "--net", ROOT / "bowerbird", "check", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("test", "--help"), ("--long", "--peers", "--fresh", "pytest arguments")),
        (("test", "--long", "-h"), ("--long", "--peers", "--fresh", "pytest arguments")),
        (("bench", "--help"), ("NAME", "--json", "--peers", "--rounds")),
    ],
)
def test_the_usage_is_printed_without_a_set_up(bare_checkout, arguments, options):
    shutil.copytree(ROOT / "tests/bench", bare_checkout / "tests/bench", ignore=shutil.ignore_patterns("__pycache__"))
    shown = run(bare_checkout / "bowerbird", *arguments, cwd="/")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.lower().startswith("usage: ")
    assert all(option in shown.stdout for option in options)
    assert not (bare_checkout / ".bowerbird").exists()


@pytest.mark.root
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_the_usage_of_up_sets_up_no_more_than_a_command_that_only_reads(bare_checkout, tmp_path, option):
    ended = [
        run("unshare", "--net", bare_checkout / "bowerbird", *words, env=empty_caches(tmp_path)) for words in (["check"], ["up", option])
    ]
    listed = [[line for line in one.stderr.splitlines() if "MB to download" in line] for one in ended]
    assert listed[0]
    assert listed[0] == listed[1]


def test_nothing_to_install_takes_no_time():
    def seconds() -> float:
        began = time.perf_counter()
        done = run("/usr/bin/python3", "-E", "-s", "-m", "scripts", "hub", cwd=ROOT)
        assert (done.returncode, done.stderr) == (0, "")
        return time.perf_counter() - began

    # On a machine with other work it is seen now and then.
    wait_for(lambda: seconds() < OVERHEAD_SECONDS)


@pytest.mark.root
def test_no_network_at_the_first_set_up_is_one_sentence(bare_checkout, tmp_path):
    ended = run("unshare", "--net", bare_checkout / "bowerbird", "check", cwd="/", env=empty_caches(tmp_path))
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    assert "uv, which installs the Python packages" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("bowerbird: The package servers can't be reached")


@pytest.mark.root
@pytest.mark.parametrize(("words", "asked"), [(("aat",), True), (("eso",), False), (("aat", "--help"), False)])
def test_the_environment_of_an_image_is_set_up_where_it_is_asked_for(bare_checkout, tmp_path, words, asked):
    ended = run("unshare", "--net", bare_checkout / "bowerbird", "images", "install", *words, cwd="/", env=empty_caches(tmp_path))
    assert ended.returncode == 2, ended.stderr
    assert ("environment 'aat': " in ended.stderr) is asked


@pytest.mark.root
def test_no_room_is_one_sentence_before_anything_is_fetched(bare_checkout, tmp_path):
    full = tmp_path / "small disk"
    full.mkdir()
    script = 'mount -t tmpfs -o size=30m none "$1" && cp -R "$2/." "$1" && "$1/bowerbird" check'
    ended = run("unshare", "--mount", "sh", "-c", script, "sh", full, bare_checkout)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("bowerbird: The set-up needs ")
    assert f"{full}, which has " in ended.stderr


@pytest.mark.root
def test_without_root_the_one_line_is_printed_and_the_rest_goes_on(bare_checkout, tmp_path):
    few = tmp_path / "programs"
    few.mkdir()
    for name in ("sh", "id", "dirname", "readlink", "python3", "cat"):
        (few / name).symlink_to(f"/usr/bin/{name}")
    environment = {**empty_caches(tmp_path), "PATH": str(few)}
    ended = run("/usr/bin/unshare", "--net", *AS_NOBODY, bare_checkout / "bowerbird", "up", env=environment)
    lines = ended.stderr.splitlines()
    line = next(line for line in lines if "apt-get install" in line)
    assert {"gcc", "pkg-config", "bubblewrap"} <= set(line.split())
    assert any(line.startswith("Going on without gcc") and line.endswith("no releases and spaces under /data.") for line in lines)
    assert "[1/" in ended.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_second_set_up_waits_for_the_first_and_is_stopped_in_a_sentence(bare_checkout, tmp_path, sent):
    (bare_checkout / ".bowerbird").mkdir()
    command = [sys.executable, "-m", "scripts", "hub"]
    with (bare_checkout / ".bowerbird/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(command, cwd=bare_checkout, stderr=subprocess.PIPE, text=True, env=empty_caches(tmp_path)) as second:
            assert second.stderr is not None
            first_line = second.stderr.readline()
            second.send_signal(sent)
            _, rest = second.communicate(timeout=SECONDS)
    assert first_line == "Another set-up of this checkout is running; waiting for it to end.\n"
    assert rest == "Stopped. Run the same command again to go on; what was finished is kept.\n"
    assert second.returncode == 128 + sent
    assert not (bare_checkout / ".bowerbird/tools").exists()
