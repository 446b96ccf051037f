"""Each mistake in a platform file, and the sentence that it gets."""

from pathlib import Path

import pytest
from bowerbird_config.load import ConfigError, load

GOOD = """\
bowerbird: 1
name: Test
contact: help@example.org
sign_on:
  cas:
    url: https://cas.example.org/cas
  allow_teams: [craft]
teams:
  craft:
    title: Craft
    contact: craft@example.org
    owners: [ann]
    members:
      - bob
      - name: eve
        until: 2027-03-01T00:00:00Z
  eso:
    title: ESO
    contact: eso@example.org
profiles:
  minimal:
    title: Minimal
    memory: 1 GiB
    cpu: 1
    teams: everyone
collections:
  a478:
    title: Abell 478
    releases:
      dr1:
        title: First
        teams: [craft]
        public_on: 2027-03-01T00:00:00Z
spaces:
  home: {soft: 1 GiB, hard: 2 GiB}
"""

# What is written instead of what, and what `check` says, without the file's name.
MISTAKES = {
    "unknown key": ("    title: Craft\n", "    titel: Craft\n", [
        "10: teams.craft has a key 'titel', which is not known; did you mean 'title'?"
        " Known: 'title', 'contact', 'groups', 'owners', 'members', 'guests'",
        "9: teams.craft has no 'title'; add 'title:'",
    ]),
    "unknown key at the top": ("spaces:\n", "space:\n", [
        "34: the platform file has a key 'space', which is not known; did you mean 'spaces'?"
        " Known: 'bowerbird', 'name', 'contact', 'sign_on', 'teams', 'profiles', 'collections', 'spaces',"
        " 'limits', 'runtime', 'storage', 'include'",
    ]),
    "a secret written out": ("    url: https://cas.example.org/cas\n", "    url: https://cas.example.org/cas\n    password: hunter2\n", [
        "7: sign_on.cas has a key 'password', which is not known;"
        " secrets never stand in the platform file: remove it",
    ]),
    "a secret in an address": ("https://cas", "https://me:hunter2@cas", [
        "6: sign_on.cas.url: a name or password stands in the address of the CAS server; remove it",
    ]),
    "missing key": ("contact: help@example.org\n", "", [
        "1: the platform file has no 'contact'; add 'contact:' (how to reach the admins)",
    ]),
    "wrong unit": ("1 GiB\n    cpu", "1 parsec\n    cpu", [
        "23: profiles.minimal.memory: '1 parsec' is not a quantity with a unit;"
        " write it like '4 GiB', with one of B, KiB, MiB, GiB, TiB, PiB",
    ]),
    "no unit": ("1 GiB\n    cpu", "4\n    cpu", [
        "23: profiles.minimal.memory: 4 has no unit; write it like '4 GiB', with one of B, KiB, MiB, GiB, TiB, PiB",
    ]),
    "wrong unit of time": ("spaces:\n", "limits: {start: 2 fortnights}\nspaces:\n", [
        "34: limits.start: '2 fortnights' is not a quantity with a unit; write it like '30 min', with one of ms, s, min, h, d",
    ]),
    "no time at all": ("spaces:\n", "limits: {start: 0 s}\nspaces:\n", [
        "34: limits.start: '0 s' is no time at all; write it like '30 min'",
    ]),
    "a trash that is neither kept nor off": ("spaces:\n", "spaces:\n  trash: never\n", [
        "35: spaces.trash: 'never' is no time to keep what is deleted; write it like '14 d', or off",
    ]),
    "a trash of no time": ("spaces:\n", "spaces:\n  trash: 0 d\n", [
        "35: spaces.trash: '0 d' is no time to keep what is deleted; write it like '14 d', or off",
    ]),
    "naive time": ("        until: 2027-03-01T00:00:00Z", "        until: 2027-03-01T00:00:00", [
        "16: teams.craft.members[1].until: '2027-03-01T00:00:00' has no UTC offset; write it like 2027-03-01T00:00:00Z",
    ]),
    "bare date": ("        public_on: 2027-03-01T00:00:00Z", "        public_on: 2027-03-01", [
        "33: collections.a478.releases.dr1.public_on: '2027-03-01' has no UTC offset; write it like 2027-03-01T00:00:00Z",
    ]),
    "seconds since 1970": ("        public_on: 2027-03-01T00:00:00Z", "        public_on: 1800000000", [
        "33: collections.a478.releases.dr1.public_on: 1800000000 is not a time; write it like 2027-03-01T00:00:00Z",
    ]),
    "unknown team": ("        teams: [craft]", "        teams: [carft]", [
        "32: release 'a478/dr1' names team 'carft', which is not defined; did you mean 'craft'? Defined: 'craft', 'eso'",
    ]),
    "unknown team that looks like none": ("    teams: everyone", "    teams: [zzz]", [
        "25: profile 'minimal' names team 'zzz', which is not defined; defined: 'craft', 'eso'",
    ]),
    "unknown team at the sign-on": ("  allow_teams: [craft]", "  allow_teams: [es]", [
        "7: sign_on.allow_teams names team 'es', which is not defined; did you mean 'eso'? Defined: 'craft', 'eso'",
    ]),
    "unknown team's quota": ("spaces:\n", "spaces:\n  team_quotas: {caft: {hard: 1 GiB}}\n", [
        "35: spaces.team_quotas names team 'caft', which is not defined; did you mean 'craft'? Defined: 'craft', 'eso'",
    ]),
    "unknown environment": ("    cpu: 1\n", "    cpu: 1\n    environment: reflex\n", [
        "25: profile 'minimal' uses environment 'reflex', which is not defined; defined: 'lab', 'eso', 'aat';"
        " one of your own has its directory under runtime.environments",
    ]),
    "unknown release": ("spaces:\n", "storage:\n  releases: {a478/dr: /srv/a478}\nspaces:\n", [
        "35: storage.releases names release 'a478/dr', which is not defined; did you mean 'a478/dr1'? Defined: 'a478/dr1'",
    ]),
    "a relative path": ("spaces:\n", "storage:\n  releases: {a478/dr1: srv/../a478}\nspaces:\n", [
        "35: storage.releases.a478/dr1: 'srv/../a478' is not a path of this machine; write it from '/' and without '..'",
    ]),
    "a machine's path elsewhere": ("    title: Minimal", "    title: /opt/minimal", [
        "22: '/opt/minimal' is a path of one machine, which only runtime and storage may name;"
        " write it there, so that the rest runs anywhere",
    ]),
    "an audience that is none": ("    teams: everyone", "    teams: craft", [
        "25: profiles.minimal.teams: 'craft' is not 'everyone'; write 'everyone', or a list of teams: [craft]",
    ]),
    "an audience of nobody": ("    teams: everyone", "    teams: []", [
        "25: profiles.minimal.teams: expected at least one, found none; name one",
    ]),
    "a name that cannot be one": ("  eso:\n", "  ESO/UVES:\n", [
        "17: teams.ESO/UVES: 'ESO/UVES' cannot be a name here; write a small letter, then at most 30 of a-z, 0-9, '-' and '_'",
    ]),
    "a number for a name": ("  eso:\n", "  2027:\n", [
        "17: the key '2027' is not a text; put it in quotes",
    ]),
    "a number for a text": ("    title: ESO\n", "    title: 478\n", [
        "18: teams.eso.title: expected a text, found 478; put it in quotes: '478'",
    ]),
    "a text for a list": ("    owners: [ann]", "    owners: ann", [
        "12: teams.craft.owners: expected a list, found 'ann'; write [ann]",
    ]),
    "a list for a mapping": ("  home: {soft: 1 GiB, hard: 2 GiB}", "  home: [1 GiB]", [
        "35: spaces.home: expected a mapping, found a list; write its keys below it, indented by two spaces",
    ]),
    "nothing for a mapping": ("  home: {soft: 1 GiB, hard: 2 GiB}", "  home:", [
        "35: spaces.home: expected a mapping, found nothing; write its keys below it, indented by two spaces",
    ]),
    "a text for a number": ("    cpu: 1\n", "    cpu: one\n", [
        "24: profiles.minimal.cpu: expected a number, found 'one'; write it without a unit and without quotes",
    ]),
    "half a process": ("    cpu: 1\n", "    cpu: 1\n    processes: 1.5\n", [
        "25: profiles.minimal.processes: expected a whole number, found 1.5; write a whole number",
    ]),
    "no processor": ("    cpu: 1\n", "    cpu: 0\n", [
        "24: profiles.minimal.cpu: 0 is out of range; write more than 0",
    ]),
    "neither true nor false": ("        public_on", "        announced: perhaps\n        public_on", [
        "33: collections.a478.releases.dr1.announced: expected true or false, found 'perhaps'; write true or false",
    ]),
    "an empty text": ("    title: ESO\n", "    title: ''\n", [
        "18: teams.eso.title: '' is not one line of text; write one line",
    ]),
    "a text of control characters": ("    title: ESO\n", '    title: "\\e[31mESO"\n', [
        "18: the text holds the unseen character '\\x1b'; remove it",
    ]),
    "a key twice": ("  eso:\n", "  craft:\n", [
        "17: the key 'craft' stands twice, first in line 9; remove one of them",
    ]),
    "a person twice": ("      - bob\n", "      - ann\n", [
        "9: teams.craft: 'ann' is named twice, as an owner and as a member; name each person once",
    ]),
    "a name without end": ("      - bob\n", f"      - {'b' * 256}\n", [
        "14: teams.craft.members[0]: the name 'bbbbbbbbbbbbbbbbbbbbbbbb...' has 256 characters,"
        " more than the 64 that a user's name may have; write the name that somebody signs in with",
    ]),
    "a team's account as a person": ("      - bob\n", "      - team-eso\n", [
        "14: teams.craft.members[0]: the name 'team-eso' begins with 'team-', which is kept for accounts that the platform makes;"
        " write the name that somebody signs in with",
    ]),
    "the services' account as a person": ("      - bob\n", "      - service-vo\n", [
        "14: teams.craft.members[0]: the name 'service-vo' begins with 'service-', which is kept for accounts that the platform makes;"
        " write the name that somebody signs in with",
    ]),
    "a name that no sign-on lets in": ("      - bob\n", "      - Bob Smith\n", [
        "14: teams.craft.members[0]: the name 'Bob Smith' contains ' '; a user's name is made of letters a-z, digits and . _ @ + -;"
        " write the name that somebody signs in with",
    ]),
    "a release that nobody may read": ("        teams: [craft]\n", "", [
        "30: collections.a478.releases.dr1: nobody may read the release; write 'public: true', or 'teams:' with those whose it is",
    ]),
    "a release that is public and not": ("        teams: [craft]\n", "        teams: [craft]\n        public: true\n", [
        "30: collections.a478.releases.dr1: the release is public, so 'teams', 'public_on' and 'announced' say nothing;"
        " remove them or 'public'",
    ]),
    "two releases with one link": ("spaces:\n", "  a478-x: {title: X, releases: {y: {title: Y, public: true}}}\n"
                                   "  a478: {title: X, releases: {x-y: {title: Y, public: true}}}\nspaces:\n", [
        "35: the key 'a478' stands twice, first in line 27; remove one of them",
    ]),
    "a team twice": ("        teams: [craft]\n", "        teams: [craft, craft]\n", [
        "30: collections.a478.releases.dr1: a team stands twice in 'teams'; name each team once",
    ]),
    "a warning after the refusal": ("{soft: 1 GiB", "{soft: 3 GiB", [
        "35: spaces.home: the warning at 3 GiB comes after the refusal at 2 GiB; exchange them",
    ]),
    "no server to sign on": ("  cas:\n    url: https://cas.example.org/cas\n", "", [
        "4: sign_on: sign_on has neither 'cas' nor 'demo'; write exactly one of them",
    ]),
    "tickets in the clear": ("https://cas", "http://cas", [
        "6: sign_on.cas.url: 'http://cas.example.org/cas' would carry tickets in the clear; write https://",
    ]),
    "a host that is none": ("https://cas.example.org/cas", "https://[cas/", [
        "6: sign_on.cas.url: 'https://[cas/' is not the address of a CAS server; write it like https://cas.example.org/cas",
    ]),
    "a port that is no number": ("https://cas.example.org/cas", "https://cas:web/", [
        "6: sign_on.cas.url: 'https://cas:web/' is not the address of a CAS server; write it like https://cas.example.org/cas",
    ]),
    "no address of a server": ("https://cas.example.org/cas", "cas.example.org", [
        "6: sign_on.cas.url: 'cas.example.org' is not the address of a CAS server; write it like https://cas.example.org/cas",
    ]),
    "open without TLS": ("spaces:\n", "runtime:\n  address: 0.0.0.0\n  host: a.example.org\nspaces:\n", [
        "35: the platform would listen on 0.0.0.0 without TLS, where others read what it carries;"
        " add runtime.tls with certificate and key, or listen on 127.0.0.1",
        "36: runtime.host is the name of a platform that others reach, and there is no TLS;"
        " add runtime.tls with certificate and key, or remove the name",
    ]),
    "open without a name": ("spaces:\n", "runtime:\n  address: 0.0.0.0\n  tls: {certificate: /c, key: /k}\nspaces:\n", [
        "35: a platform that listens on 0.0.0.0 has no name by which browsers find it and its servers;"
        " add runtime.host, as data.example.org, or listen on 127.0.0.1",
    ]),
    "a host with a port": ("spaces:\n", "runtime:\n  host: data.example.org:443\n  tls: {certificate: /c, key: /k}\nspaces:\n", [
        "35: runtime.host: 'data.example.org:443' is not a host name; write it like data.example.org, in small letters and without a port",
    ]),
    "an address as a host": ("spaces:\n", "runtime:\n  host: 192.0.2.7\n  tls: {certificate: /c, key: /k}\nspaces:\n", [
        "35: runtime.host: '192.0.2.7' is not a host name; write it like data.example.org, in small letters and without a port",
    ]),
    "no address of this machine": ("spaces:\n", "runtime:\n  address: hub.example.org\n  tls: {certificate: /c, key: /k}\nspaces:\n", [
        "35: runtime.address: 'hub.example.org' is not an address of this machine; write 127.0.0.1, 0.0.0.0 or another IP address",
    ]),
    "a port that is none": ("spaces:\n", "runtime: {port: 80800}\nspaces:\n", [
        "34: runtime.port: 80800 is out of range; write at most 65535",
    ]),
    "a variable of the platform's own": ("    cpu: 1\n", "    cpu: 1\n    variables: {JUPYTERHUB_API_TOKEN: x}\n", [
        "25: profiles.minimal.variables.JUPYTERHUB_API_TOKEN: 'JUPYTERHUB_API_TOKEN' is set by the platform itself; choose another name",
    ]),
    "a variable that cannot be one": ("    cpu: 1\n", "    cpu: 1\n    variables: {ESO_RECIPES: /usr/lib/eso, ESO-DATA: x}\n", [
        "25: profiles.minimal.variables.ESO-DATA: 'ESO-DATA' cannot name an environment variable; write letters, digits and '_'",
    ]),
    "ids of the system's users": ("spaces:\n", "limits: {ids_from: 0}\nspaces:\n", [
        "34: limits.ids_from: 0 is out of range; write at least 1000",
    ]),
    "another format": ("bowerbird: 1", "bowerbird: 2", [
        "1: bowerbird: expected 1, found 2; write 1",
    ]),
    "a tab": ("      - bob\n", "\t- bob\n", [
        "14: a tab indents this line; YAML takes spaces only: write two spaces for each step",
    ]),
    "a tab behind spaces": ("    contact: eso", "  \tcontact: eso", [
        "19: a tab indents this line; YAML takes spaces only: write two spaces for each step",
    ]),
    "a colon in a text": ("    title: ESO\n", "    title: ESO: VLT\n", [
        "18: this is not YAML (mapping values are not allowed here);"
        " indent the lines of one mapping alike, and put a text with ': ' in quotes",
    ]),
    "an open bracket": ("    owners: [ann]", "    owners: [ann", [
        "13: this is not YAML (while parsing a flow sequence, expected ',' or ']', but got ':');"
        " look at this line and the one above: brackets, quotes, indentation",
    ]),
    "an @ without quotes": ("contact: eso@", "contact: @eso", [
        "19: this is not YAML (while scanning for the next token, found character '@' that cannot start any token); put the text in quotes",
    ]),
    "two documents": ("spaces:\n", "---\nspaces:\n", [
        "34: this is not YAML (expected a single document in the stream, but found another document);"
        " keep one document a file, without '---' between",
    ]),
    "an alias of nothing": ("    owners: [ann]", "    owners: *owners", [
        "12: this is not YAML (found undefined alias 'owners'); define it with '&' before, or put the text in quotes",
    ]),
    "an alias that contains itself": ("    owners: [ann]", "    owners: &o [ann, *o]", [
        "12: this alias contains itself; write the value out",
    ]),
    "a merge": ("    cpu: 1\n", "    <<: {cpu: 1}\n    cpu: 1\n", [
        "24: merging mappings with '<<' is not for platform files; write the keys out",
    ]),
    "a Python object": ("    title: ESO\n", "    title: !!python/object/apply:os.system [id]\n", [
        "18: the tag '!!python/object/apply:os.system' is not for platform files; write a plain value",
    ]),
    "a value that its tag is not": ("    cpu: 1\n", "    cpu: !!int one\n", [
        "24: 'one' is not a value of !!int; write a plain value",
    ]),
    "a key that is a list": ("  eso:\n", "  [a, b]:\n", [
        "17: the key 'a mapping or list' is not a text; write a name",
    ]),
    "an include that is no list": ("spaces:\n", "include: teams.yaml\nspaces:\n", [
        "34: 'include' is not a list; write a list of files: include: [teams.yaml]",
    ]),
    "an include of nothing": ("spaces:\n", "include: [no.yaml, 3]\nspaces:\n", [
        "34: 'include' names something that is no file; write a list of files: include: [teams.yaml]",
        "34: the included file 'no.yaml' does not exist; give a path relative to this file",
    ]),
    "an include by a machine's path": ("spaces:\n", "include: [/etc/passwd]\nspaces:\n", [
        "34: the included '/etc/passwd' is a path of one machine; write it relative to this file",
    ]),
}  # fmt: skip


def mistakes_in(text: str, folder: Path) -> list[str]:
    """Return what is said of a file with that text, without the file's name."""
    file = folder / "platform.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as wrong:
        load(file)
    said = [str(problem) for problem in wrong.value.problems]
    assert str(wrong.value) == "\n".join(said)
    assert all(line.startswith(f"{file}:") for line in said)
    return [line.removeprefix(f"{file}:") for line in said]


def test_the_file_without_a_mistake_is_right(tmp_path):
    file = tmp_path / "platform.yaml"
    file.write_text(GOOD)
    assert load(file).name == "Test"


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("    owners: [ann]", "    groups: [/craft/people]"),
        ("    title: Minimal", "    title: Minimal\n    description: /data is mounted in it"),
        ("    title: Minimal", "    title: Minimal\n    variables: {TABLES: /data/home/tables}"),
    ],
)
def test_not_every_text_with_a_slash_first_is_a_path_of_the_machine(written, instead, tmp_path):
    file = tmp_path / "platform.yaml"
    file.write_text(GOOD.replace(written, instead))
    assert instead in file.read_text()
    assert load(file).name == "Test"


@pytest.mark.parametrize(("written", "instead", "said"), MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_gets_its_sentence(written, instead, said, tmp_path):
    assert GOOD.count(written) == 1
    assert sorted(mistakes_in(GOOD.replace(written, instead), tmp_path)) == sorted(said)


def test_all_mistakes_are_said_at_once_in_the_order_of_their_lines(tmp_path):
    text = (
        GOOD.replace("contact: help@example.org\n", "")
        .replace("1 GiB\n    cpu", "4\n    cpu")
        .replace("[craft]\n        pub", "[carft]\n        pub")
    )
    text = text.replace("  eso:\n", "  craft:\n")
    assert [line.partition(":")[0] for line in mistakes_in(text, tmp_path)] == ["1", "16", "22", "31"]


def test_a_name_that_is_a_mistake_itself_is_not_offered(tmp_path):
    text = GOOD.replace("  eso:", "  Eso Team:").replace("    teams: everyone", "    teams: [eso-team]")
    assert mistakes_in(text, tmp_path) == [
        "17: teams.Eso Team: 'Eso Team' cannot be a name here; write a small letter, then at most 30 of a-z, 0-9, '-' and '_'",
        "25: profile 'minimal' names team 'eso-team', which is not defined; defined: 'craft'",
    ]


def test_demo_accounts_are_refused_where_others_reach_the_platform(tmp_path):
    text = GOOD.replace("  cas:\n    url: https://cas.example.org/cas\n", "  demo: {accounts: {ann: {title: Ann}}}\n")
    text += "runtime: {address: '::', host: a.example.org, tls: {certificate: /c, key: /k}}\n"
    assert mistakes_in(text, tmp_path) == [
        "5: demo accounts are not for a platform that listens on ::; name a CAS server under sign_on.cas, or listen on 127.0.0.1"
    ]


def test_two_releases_cannot_share_one_link(tmp_path):
    text = GOOD.replace("spaces:\n", "  a478-x: {title: X, releases: {y: {title: Y, public: true}}}\nspaces:\n")
    text = text.replace("      dr1:", "      x-y: {title: Y, public: true}\n      dr1:")
    assert mistakes_in(text, tmp_path) == [
        "35: releases 'a478/x-y' and 'a478-x/y' would both be 'a478-x-y' below /data/public; rename one of them"
    ]


@pytest.mark.parametrize(("inner", "outer"), [("/srv/a/b", "/srv/a"), ("/srv/a", "/srv/a/"), ("/srv/a/b/c", "/srv/a")])
def test_the_directory_of_a_release_holds_no_other(tmp_path, inner, outer):
    text = GOOD.replace("      dr1:", "      dr2: {title: Y, public: true}\n      dr1:")
    text += f"storage:\n  releases:\n    a478/dr1: {outer}\n    a478/dr2: {inner}\n"
    (found,) = mistakes_in(text, tmp_path)
    assert "the directory of release 'a478/dr1' holds that of 'a478/dr2'" in found
    apart = tmp_path / "apart.yaml"
    apart.write_text(text.replace(f"dr1: {outer}", "dr1: /srv/ab"))
    assert load(apart).storage.releases["a478/dr1"] == "/srv/ab"


def test_a_secret_that_was_written_out_is_never_repeated(tmp_path):
    for key, value in (("password", "hunter2"), ("cas_secret", "hunter2")):
        text = GOOD.replace("  allow_teams", f"  {key}: {value}\n  allow_teams")
        assert "hunter2" not in "\n".join(mistakes_in(text, tmp_path))
