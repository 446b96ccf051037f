"""The new Debian of `test --fresh`: only settings of package clients go in, and nothing stays behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from scripts import fresh
from tests.support.nobody import AS_NOBODY

ROOT = Path(__file__).parents[2]
SECONDS = 60


@pytest.mark.parametrize("name", ["https_proxy", "NO_PROXY", "PIP_INDEX_URL", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"])
def test_what_tells_package_clients_where_to_go_is_carried_in(monkeypatch, name):
    monkeypatch.setenv(name, "somewhere")
    assert fresh.settings()[name] == "somewhere"


@pytest.mark.parametrize("name", ["BOWERBIRD_SECRET_CAS_KEY", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "VIRTUAL_ENV", "PATH", "UV_CACHE_DIR"])
def test_nothing_else_of_the_environment_is(monkeypatch, name):
    monkeypatch.setenv(name, "a secret")
    assert name not in fresh.settings()


def test_certificates_that_a_variable_names_are_carried_to_the_same_place(monkeypatch, tmp_path):
    bundle = tmp_path / "of this machine.pem"
    bundle.write_text("certificates")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    root = tmp_path / "root"
    fresh.carry(root)
    assert (root / str(bundle).lstrip("/")).read_text() == "certificates"
    assert not (root / "root/.ssh").exists()


@pytest.fixture
def root_of_this_machine(tmp_path: Path) -> Path:
    """A root whose programs are this machine's own, so that no Debian has to be fetched."""
    root = tmp_path / "root"
    for name in ("dev", "sys", "proc", "tmp", fresh.CHECKOUT.lstrip("/")):
        (root / name).mkdir(parents=True)
    return root


@pytest.mark.root
def test_mounts_and_processes_end_with_the_command(root_of_this_machine):
    binds = "".join(f'mkdir -p "$1/{name}"; mount --bind /{name} "$1/{name}"; ' for name in ("usr", "etc"))
    links = "".join(f'ln -sfn usr/{name} "$1/{name}"; ' for name in ("bin", "lib", "lib64", "sbin"))
    enter = fresh.ENTER.replace('mkdir -p "$1/old"', f'{binds}{links}mkdir -p "$1/old"')
    mounts = Path("/proc/self/mounts").read_text()
    code = fresh.inside(root_of_this_machine, "test ! -e /old/usr && pwd >/tmp/where && { sleep 7654 & } && exit 7", enter)
    assert code == 7
    assert (root_of_this_machine / "tmp/where").read_text() == f"{fresh.CHECKOUT}\n"
    assert Path("/proc/self/mounts").read_text() == mounts
    deadline = time.monotonic() + SECONDS
    while any(process.info["cmdline"] == ["sleep", "7654"] for process in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.root
def test_a_root_with_a_mount_in_it_is_never_removed(tmp_path):
    (tmp_path / "mounted").mkdir()
    program = "import sys; from pathlib import Path; from scripts import fresh; fresh.remove(Path(sys.argv[1]))"
    script = 'mount -t tmpfs none "$3/mounted" && touch "$3/mounted/precious" && "$1" -c "$2" "$3"; test -e "$3/mounted/precious"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, program, str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0
    assert "is still mounted below" in ended.stderr


@pytest.mark.root
def test_a_debian_that_cannot_be_made_is_one_sentence(tmp_path):
    for tool in (*fresh.TOOLS, "apt-get"):
        (tmp_path / tool).write_text("#!/bin/sh\necho http://mirror.invalid\ntest $# = 3\n")
        (tmp_path / tool).chmod(0o755)
    program = "import sys; from scripts import fresh; sys.exit(fresh.main([]))"
    ended = subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=ROOT,
        env={"PATH": f"{tmp_path}:{os.defpath}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "bowerbird: the new Debian could not be made: debootstrap ended with exit code 1; mend what it says above\n"


@pytest.mark.root
def test_without_root_it_says_what_it_needs():
    command = [*AS_NOBODY, sys.executable, "-B", "-c", "import sys; from scripts import fresh; sys.exit(fresh.main([]))"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False, env={"PATH": os.defpath})
    assert ended.returncode == 2
    assert ended.stderr.startswith("bowerbird: test --fresh needs root and ")
