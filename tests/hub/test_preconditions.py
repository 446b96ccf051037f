"""What must hold before a server starts, each refusal in plain words."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.identity import IdentityRecord
from bowerbird_config.images.on_machine import LocalEnvironment
from bowerbird_hub.runtimes import preconditions
from bowerbird_hub.runtimes.preconditions import NotReady

ME = IdentityRecord(1, "somebody", os.getuid(), os.getgid())


def test_home_of_ones_own_with_room_will_do(tmp_path: Path) -> None:
    preconditions.home(tmp_path, ME)


def test_home_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="Your home cannot be read \\(No such file or directory\\)"):
        preconditions.home(tmp_path / "gone", ME)


def test_home_of_somebody_else_is_told_with_both_numbers(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=f"belongs to the number {os.getuid()}, and yours is {os.getuid() + 1}"):
        preconditions.home(tmp_path, replace(ME, uid=os.getuid() + 1))


def test_full_home_is_told_with_what_is_left_and_needed(tmp_path: Path) -> None:
    # Every disk has less room than this.
    with pytest.raises(NotReady, match=r"of room left and a server needs 1024 PiB\. Remove files"):
        preconditions.home(tmp_path, ME, 1 << 60)


def test_environment_that_is_installed_will_do() -> None:
    preconditions.environment(LocalEnvironment(Path(sys.executable), ("sh",)), "lab")


@pytest.mark.parametrize(
    ("brought", "way"),
    [
        ({}, "."),
        ({"command": "./bowerbird images install reflex"}, ": ./bowerbird images install reflex"),
        ({"command": "apt-get install esorex", "as_root": True}, ", as root: apt-get install esorex"),
    ],
)
def test_environment_that_is_not_installed_is_told_by_its_name_and_what_brings_it(
    brought: dict[str, Any], way: str, tmp_path: Path
) -> None:
    installed = "The environment 'reflex' of this profile is not installed on this machine. The admins of the platform can install it"
    for found in (LocalEnvironment(tmp_path / "python", **brought), LocalEnvironment(Path(sys.executable), ("not-there",), **brought)):
        with pytest.raises(NotReady) as refusal:
            preconditions.environment(found, "reflex")
        assert str(refusal.value) == installed + way


def test_environment_that_nobody_knows_is_refused() -> None:
    with pytest.raises(NotReady, match="The environment 'reflex' of this profile is not known on this machine"):
        preconditions.environment(None, "reflex")


def test_missing_bubblewrap_is_told_before_anything_runs_without_it(tmp_path: Path) -> None:
    preconditions.sandbox(Path(sys.executable))
    with pytest.raises(NotReady, match=r"cannot be kept apart on this machine: .*bwrap is missing"):
        preconditions.sandbox(tmp_path / "bwrap")


@pytest.mark.parametrize("running", [0, 1])
def test_a_server_within_the_limit_may_start(running: int) -> None:
    preconditions.servers(running, 2)


@pytest.mark.parametrize(("limit", "words"), [(1, "one server at once"), (2, "2 servers at once")])
def test_a_server_beyond_the_limit_is_told_what_to_do(limit: int, words: str) -> None:
    with pytest.raises(NotReady, match=f"may run {words}.*Stop one of them first"):
        preconditions.servers(limit, limit)
