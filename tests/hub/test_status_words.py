"""What `status` says of spaces, views and the platform file."""

import json
import os
import subprocess
from pathlib import Path

from bowerbird_config.cli import cli
from bowerbird_config.paths import Var
from bowerbird_hub.supervision.board import state_path
from bowerbird_hub.supervision.marks import marks
from bowerbird_hub.supervision.probes import order
from bowerbird_hub.supervision.status import SpaceStatus, status_of
from bowerbird_hub.supervision.status_words import in_words
from click.testing import CliRunner

from tests.support.keeper import FakeKeeper

MIB = 1 << 20


def test_each_space_is_shown_with_what_it_uses(tmp_path: Path) -> None:
    var = Var(tmp_path)
    var.usage.parent.mkdir()
    ann = {"space": "home/ann", "used": 9 * MIB, "trash": MIB // 2, "soft": None, "hard": 10 * MIB, "level": 90, "words": ""}
    ant = {"space": "team/ant", "used": 0, "trash": 0, "soft": None, "hard": None, "level": 0, "words": ""}
    var.usage.write_text(json.dumps({"spaces": {"team/ant": ant, "home/ann": ann, "home/odd": {"space": "home/odd"}}}))
    found = status_of(var)
    assert found.spaces == (SpaceStatus("home/ann", 9 * MIB, MIB // 2, 10 * MIB, 90), SpaceStatus("team/ant", 0, 0, None, 0))
    shown = [" ".join(line.split()) for line in in_words(found).splitlines() if line.startswith(("home/", "team/"))]
    assert shown == ["home/ann 9.0 MiB 10 MiB, 90 % reached 0.5 MiB", "team/ant 0.0 MiB - 0.0 MiB"]


def test_view_says_in_its_line_what_keeps_it_from_answering(tmp_path: Path) -> None:
    var = Var(tmp_path)
    for directory in (var.run, var.homes):
        directory.mkdir()
    held = "worker 7 was killed 60 s ago and is held in the kernel, mostly by a disk that does not answer"
    with FakeKeeper(var) as keeper:
        for user in ("ann", "bob"):
            order(var.keeper_socket, {"op": "mount", "user": user})
        keeper.troubles["ann"] = held
        shown = in_words(status_of(var)).splitlines()
    assert [" ".join(line.split()) for line in shown if line.endswith(("views/ann", "views/bob"))] == [
        f"ann - {held} {var.views / 'ann'}",
        f"bob - ok {var.views / 'bob'}",
    ]


def test_view_is_shown_with_how_often_its_worker_was_replaced_after_a_death(tmp_path: Path) -> None:
    var = Var(tmp_path)
    for directory in (var.run, var.homes):
        directory.mkdir()
    told = {**os.environ, **marks("keeper", var.root)}
    with FakeKeeper(var) as keeper, subprocess.Popen(["sleep", "60"], env=told) as worker:
        order(var.keeper_socket, {"op": "mount", "user": "ann"})
        keeper.workers["ann"] = (worker.pid, 3)
        shown = in_words(status_of(var)).splitlines()
        worker.kill()
    line = next(line.split() for line in shown if line.startswith("view of ann"))
    assert (line[3], line[6:]) == (str(worker.pid), ["3", "ok"])


def test_problems_of_the_platform_file_are_the_same_objects_as_those_of_check(tmp_path: Path) -> None:
    var, file = Var(tmp_path), tmp_path / "platform.yaml"
    var.run.mkdir()
    file.write_text("colour: blue\nteams: 7\n")
    state_path(var).write_text(json.dumps({"platform_file": str(file)}))
    found = status_of(var)
    of_check = json.loads(CliRunner().invoke(cli, ["check", str(file), "--json"]).stdout)["problems"]
    assert json.loads(json.dumps(found.to_json()))["problems"] == of_check
    assert {problem["line"] for problem in of_check} >= {1, 2}
    assert all(f"  {problem['file']}:{problem['line']}: {problem['what']}; {problem['remedy']}" in in_words(found) for problem in of_check)
