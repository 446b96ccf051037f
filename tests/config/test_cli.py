"""The `bowerbird` command: check, diff, explain, schema, and the commands of others."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema
import pytest
from bowerbird_config.cli import cli, default_file
from bowerbird_config.documents import read_document
from bowerbird_config.load import load
from click.testing import CliRunner, Result

from tests.config.test_bad_files import GOOD
from tests.support.nobody import ANOTHER_UID

DEFAULT = Path(__file__).parents[2] / "config" / "default" / "platform.yaml"
BEFORE = "2027-02-28T23:59:59Z"
AFTER = "2027-03-01T00:00:00Z"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "platform.yaml"
    path.write_text(GOOD)
    return path


def run(*arguments: str | Path, **environment: str) -> Result:
    return CliRunner(env=environment).invoke(cli, [str(argument) for argument in arguments])


def test_check_counts_what_a_right_file_defines(file):
    result = run("check", file)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{file}: right; 2 teams, 1 profile, 1 release\n", "")


def test_check_says_every_problem_on_stderr_and_ends_with_1(file):
    file.write_text(GOOD.replace("owners: [ann]", "owners: ann").replace("1 GiB\n    cpu", "1\n    cpu"))
    result = run("check", file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == [f"{file}:12", f"{file}:23"]


def test_check_as_json_gives_each_problem_in_parts(file):
    file.write_text(GOOD.replace("owners: [ann]", "owners: ann"))
    result = run("check", file, "--json")
    assert result.exit_code == 1
    problem = {"file": str(file), "line": 12, "what": "teams.craft.owners: expected a list, found 'ann'", "remedy": "write [ann]"}
    assert json.loads(result.stdout) == {"right": False, "problems": [problem]}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("check", "gone.yaml"), 1),
        (("check", "broken.yaml"), 1),
        (("check", "--cluster", "gone.yaml"), 1),
        (("check", "--at", AFTER), 2),
        (("check", "--no-such-option"), 2),
        (("diff", "gone.yaml", "--then", AFTER), 1),
        (("diff", "broken.yaml", "--then", AFTER), 1),
        (("diff", "broken.yaml"), 2),
        (("explain", "ann", "read", "release:a478/dr1", "--file", "gone.yaml"), 1),
        (("explain", "ann", "read", "release:a478/dr1", "--file", "broken.yaml"), 1),
        (("explain", "ann", "read", "nothing"), 2),
        (("images", "find", "fv", "--file", "gone.yaml"), 1),
        (("images", "list", "--engine", "none"), 2),
        (("status", "--var", "broken.yaml"), 2),
        (("no-such-command",), 2),
    ],
)
def test_every_outcome_with_json_is_json_with_the_same_words_and_code(file, tmp_path, monkeypatch, command, code):
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text(GOOD.replace("owners: [ann]", "owners: ann"))
    told, as_json = run(*command), run(*command, "--json")
    assert (told.exit_code, as_json.exit_code, as_json.stderr) == (code, code, "")
    answer = json.loads(as_json.stdout)
    assert answer["right"] is (False if code == 1 else None)
    for problem in answer["problems"]:
        assert problem["what"] in told.stderr
        assert str(problem["line"] or "") in told.stderr
    assert answer["problems"]


def test_check_as_a_user_shows_what_they_are_offered(file):
    result = run("check", file, "--as", "Eve", "--at", BEFORE)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "eve may sign in, at 2027-02-28 23:59:59 UTC",
        "",
        "TEAM   ROLE    UNTIL",
        "craft  member  2027-03-01 00:00 UTC",
        "",
        "RESOURCE           MAY           UNTIL                 RULE",
        "profile:minimal    spawn         -                     profile.everyone",
        "release:a478/dr1   list, read    -                     release.team",
        "space:team/craft   read, write   2027-03-01 00:00 UTC  space.team",
        "server:team-craft  open          2027-03-01 00:00 UTC  server.team",
        "space:home/eve     read, write   -                     home.own",
        "server:eve         open, manage  -                     server.own",
    ]


def test_check_as_a_stranger_shows_the_refusal_of_an_announced_release_alone(file):
    file.write_text(GOOD.replace("        public_on", "        announced: true\n        public_on"))
    stranger = run("check", file, "--as", "zoe", "--at", BEFORE).stdout
    assert stranger.startswith("zoe may not sign in")
    assert "Reading release a478/dr1 is refused: the release is proprietary to team craft, until 2027-03-01 00:00 UTC." in stranger
    assert "space:team/craft" not in stranger
    file.write_text(GOOD)
    assert "a478" not in run("check", file, "--as", "zoe", "--at", BEFORE).stdout


def test_check_as_one_who_may_not_sign_in_shows_what_nobody_signed_in_gets(file):
    nobody = run("check", file, "--as", "-", "--at", AFTER).stdout.splitlines()
    zoe = run("check", file, "--as", "zoe", "--at", AFTER).stdout.splitlines()
    assert zoe[0] == "zoe may not sign in, and sees what nobody signed in sees, at 2027-03-01 00:00 UTC"
    assert zoe[1:] == nobody[1:]
    offered = json.loads(run("check", file, "--as", "zoe", "--at", AFTER, "--json").stdout)
    assert [offer["resource"] for offer in offered["offers"] if offer["actions"].get("read", {}).get("allowed")] == ["release:a478/dr1"]
    assert not any(offer["actions"].get("spawn", {}).get("allowed") for offer in offered["offers"])


def test_a_user_is_asked_about_by_the_name_that_the_hub_knows(file):
    assert run("check", file, "--as", " Eve ", "--at", BEFORE).stdout.startswith("eve may sign in")
    refused = run("explain", "team-craft", "read", "release:a478/dr1", "--file", file)
    assert refused.exit_code == 2
    assert "the name 'team-craft' begins with 'team-'" in refused.stderr


def test_check_with_groups_is_of_one_who_has_them(file):
    file.write_text(GOOD.replace("    owners: [ann]", "    groups: ['cn=craft,dc=org']"))
    offered = json.loads(run("check", file, "--as", "zoe", "--groups", "CN=Craft , DC=org", "--json").stdout)
    assert offered["signs_in"]
    assert offered["teams"] == [{"team": "craft", "role": "member", "until": None}]
    assert offered["files"] == [str(file)]
    release = next(offer for offer in offered["offers"] if offer["resource"] == "release:a478/dr1")
    assert release["actions"]["read"]["allowed"]


def test_check_as_a_demo_account_gives_it_the_groups_of_that_account():
    assert "craft  member" in run("check", DEFAULT, "--as", "researcher").stdout


def test_check_as_nobody_shows_what_is_public(file):
    assert "release:a478/dr1" not in run("check", file, "--as", "-", "--at", BEFORE).stdout
    assert run("check", file, "--as", "-", "--at", AFTER).stdout.splitlines() == [
        "nobody signed in, at 2027-03-01 00:00 UTC",
        "",
        "RESOURCE          MAY         UNTIL  RULE",
        "release:a478/dr1  list, read  -      release.public",
    ]


def test_diff_is_an_aligned_table(file, tmp_path):
    new = tmp_path / "new.yaml"
    new.write_text(GOOD.replace("      - bob\n", "").replace("spaces:\n", "      dr2: {title: New, teams: [craft]}\nspaces:\n"))
    result = run("diff", file, new, "--at", AFTER)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "       WHO              MAY          RESOURCE",
        "gains  people of craft  list, read   release:a478/dr2",
        "loses  bob              sign in      platform",
        "loses  bob              spawn        profile:minimal",
        "loses  bob              read, write  space:team/craft",
        "loses  bob              open         server:team-craft",
    ]


def test_diff_between_times_of_one_file(file):
    changes = json.loads(run("diff", file, "--at", BEFORE, "--then", AFTER, "--json").stdout)
    assert {"change": "gains", "who": "anybody", "action": "read", "resource": "release:a478/dr1"} in changes
    assert {"change": "loses", "who": "eve", "action": "write", "resource": "space:team/craft"} in changes


def test_diff_of_equal_files_says_that_nothing_changes(file):
    assert run("diff", file, file).stdout == "nobody gains or loses any access\n"


def test_diff_of_one_file_alone_is_a_wrong_question(file):
    result = run("diff", file)
    assert result.exit_code == 2
    assert "name a second file, or a second time with --then" in result.stderr


def test_explain_tells_admins_the_true_rule_and_what_the_user_is_shown(file):
    result = run("explain", "zoe", "read", "release:a478/dr1", "--file", file, "--at", BEFORE)
    assert result.exit_code == 0
    nothing = "nothing of that name is open to you, with no date set for a change"
    assert result.stdout.splitlines() == [
        "answer    refused",
        "why       Reading release a478/dr1 is refused: the release is proprietary to team craft, until 2027-03-01 00:00 UTC."
        " Who can change that: the owners of team craft (craft@example.org).",
        "rule      release.proprietary",
        "until     2027-03-01 00:00 UTC",
        "who can   the owners of team craft (craft@example.org)",
        f"is shown  Reading release a478/dr1 is refused: {nothing}. Who can change that: the admins of the platform (help@example.org).",
        "sign-in   zoe may not sign in",
    ]


def test_explain_of_what_is_not_defined_names_the_nearest(file):
    result = run("explain", "ann", "read", "release:a478/dr2", "--file", file)
    note = "'release:a478/dr2' is not defined; did you mean 'release:a478/dr1'? Defined: 'release:a478/dr1'"
    assert result.stdout.endswith(f"note      {note}\n")


def test_explain_as_json_has_both_decisions(file):
    answer = json.loads(run("explain", "ann", "read", "release:a478/dr1", "--file", file, "--at", BEFORE, "--json").stdout)
    assert answer["decision"] == answer["shown"]
    assert (answer["decision"]["allowed"], answer["decision"]["rule"], answer["note"]) == (True, "release.team", "")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (("ann", "read", "nothing"), "names no resource; write one of release:COLLECTION/RELEASE"),
        (("ann", "steal", "platform"), "'steal' is not one of 'list', 'read', 'write', 'spawn', 'open', 'manage', 'administer'"),
        (("ann", "read", "platform", "--at", "2027-03-01"), "has no UTC offset; write it like 2027-03-01T00:00:00Z"),
    ],
)
def test_a_question_that_cannot_be_asked_ends_with_2(file, question, said):
    result = run("explain", *question, "--file", file)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize("question", [("explain", "ann", "administer", "platform", "--file"), ("diff", "--then", AFTER)])
def test_a_broken_file_gives_no_answer_but_its_problems(file, question):
    file.write_text("bowerbird: 1\n")
    result = run(*question, file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{file}:1: the platform file has no 'profiles'; add 'profiles:'" in result.stderr


def test_a_file_that_is_not_there_is_said_and_ends_with_1(tmp_path):
    result = run("check", tmp_path / "no.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"{tmp_path / 'no.yaml'}: there is no such file; name a platform file\n"


def test_the_file_is_the_running_platforms_where_none_is_named(tmp_path):
    (tmp_path / "config" / "default").mkdir(parents=True)
    root = {"BOWERBIRD_ROOT": str(tmp_path)}
    assert default_file(None, root) == tmp_path / "config" / "default" / "platform.yaml"
    (tmp_path / "var" / "state").mkdir(parents=True)
    (tmp_path / "var" / "platform.yaml").touch()
    assert default_file(None, root) == tmp_path / "var" / "platform.yaml"
    (tmp_path / "var" / "state" / "last-start.json").write_text('{"platform_file": "/srv/eso.yaml"}')
    assert default_file(None, root) == Path("/srv/eso.yaml")
    assert default_file(None, root | {"BOWERBIRD_PLATFORM": "/srv/other.yaml"}) == Path("/srv/other.yaml")
    assert default_file(tmp_path / "var", {"BOWERBIRD_PLATFORM": "/srv/other.yaml"}) == Path("/srv/eso.yaml")


@pytest.mark.parametrize("named", [None, "/not/there/eso.yaml"])
def test_a_running_platforms_file_that_is_gone_is_named(tmp_path, named):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "last-start.json").write_text(json.dumps({"platform_file": named}))
    result = run("check", "--var", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{named or tmp_path / 'platform.yaml'}: there is no such file")


def test_explain_answers_from_the_last_good_file_while_the_running_one_is_broken(file, tmp_path):
    var = tmp_path / "var"
    (var / "state").mkdir(parents=True)
    (var / "state" / "last-start.json").write_text(json.dumps({"platform_file": str(file)}))
    (var / "state" / "platform.json").write_text(load(file).model_dump_json())
    question = ("explain", "zoe", "read", "release:a478/dr1", "--at", BEFORE)
    right = run(*question, "--var", var)
    file.write_text("bowerbird: 1\n")
    broken = run(*question, "--var", var)
    assert (broken.exit_code, broken.stdout) == (0, right.stdout)
    assert f"{file}:1: the platform file has no 'profiles'" in broken.stderr
    assert "the answer is that of the last good platform file" in broken.stderr
    assert run(*question, "--file", file, "--var", var).exit_code == 1


@pytest.mark.parametrize("words", [("--at", BEFORE), ("--groups", "craft"), ("--cluster", "--as", "ann")])
def test_what_check_would_not_look_at_is_refused(file, words):
    result = run("check", file, *words)
    assert result.exit_code == 2
    assert "--groups and --at are for --as" in result.stderr


@pytest.mark.parametrize("words", [("check", ""), ("check", "--var", ""), ("render", "-f", ""), ("diff", "", "")])
def test_a_path_of_an_unset_variable_is_refused(words):
    result = run(*words)
    assert result.exit_code == 2
    assert "it is empty, as an unset variable of the shell is" in result.stderr


def test_the_schema_takes_right_files_and_refuses_wrong_ones(file):
    schema = json.loads(run("schema").stdout)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    assert list(validator.iter_errors(read_document(DEFAULT).value)) == []
    for right in ("", "include: [teams.yaml]\n", "limits: {start: 4 min, idle: null}\n"):
        file.write_text(GOOD + right)
        assert list(validator.iter_errors(read_document(file).value)) == []
    for wrong in ("colour: blue\n", "limits: {start: 4}\n", "runtime: {port: web}\n", "include: teams.yaml\n", "limits: {start: 4 GiB}\n"):
        file.write_text(GOOD + wrong)
        assert len(list(validator.iter_errors(read_document(file).value))) == 1


@pytest.mark.parametrize("group", [(), ("images",)])
def test_each_command_is_told_by_its_whole_first_sentence(group):
    commands = run(*group, "--help").stdout.partition("Commands:")[2]
    assert "all that a cluster lacks for it." in " ".join(commands.split()) or group
    assert "..." not in commands


@pytest.fixture
def others(tmp_path, monkeypatch):
    """Commands as another distribution contributes them: a good one, one whose import fails, and one that is none."""
    (tmp_path / "others_commands.py").write_text(
        "import click\n\n\n@click.command()\ndef wave():\n    '''Wave.'''\n    click.echo('waves')\n"
    )
    information = tmp_path / "others-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1\n")
    (information / "entry_points.txt").write_text(
        "[bowerbird.commands]\nwave = others_commands:wave\nfail = others_missing:fail\n"
        "none = others_commands:click\ncheck = others_missing:fail\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("others_commands", None)


@pytest.mark.usefixtures("others")
def test_a_contributed_command_is_loaded_when_it_is_called():
    assert "others_commands" not in sys.modules
    assert run("wave").stdout == "waves\n"


@pytest.mark.usefixtures("others")
def test_a_contributed_command_neither_replaces_ours_nor_is_loaded_for_it(file):
    assert run("check", file).exit_code == 0
    assert "others_commands" not in sys.modules


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize("name", ["fail", "none"])
def test_a_contributed_command_that_cannot_be_loaded_is_said(name):
    result = run(name)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"'{name}' cannot run in this environment (")


@pytest.mark.usefixtures("others")
def test_help_lists_all_commands_and_what_keeps_one_from_running():
    text = " ".join(run("--help").stdout.split())
    assert "wave Wave." in text
    assert "'fail' cannot run in this environment" in text


def test_the_command_runs_as_a_program_and_imports_no_framework(file):
    program = "import sys; from bowerbird_config.cli import main; sys.argv[1:] = ['check', sys.argv[1]]\ntry: main()\n"
    program += "finally: print(sorted({'jupyterhub', 'tornado', 'pyfuse3', 'bowerbird_hub', 'bowerbird_fuse'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "[]"
    asked = [sys.executable, "-m", "bowerbird_config", "check", str(file), "--as", "ann"]
    shown = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True, env={**os.environ, "COLUMNS": "80"})
    assert "space:team/craft" in shown.stdout


@pytest.mark.root
def test_file_that_we_may_not_read_is_said_in_our_own_words():
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        os.seteuid(ANOTHER_UID)
        try:
            result = run("check", file.name)
        finally:
            os.seteuid(0)
    assert f"{file.name}:1: the file cannot be read (Permission denied); give the path of a file that you may read" in result.stderr
