"""Two teams on a cluster, each in a browser of its own: what is theirs under /data, what is refused, and what stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import CHROMIUM, Visit, chromium, visit
from tests.support.cluster.hub import ClusterHub
from tests.support.cluster.release import Release
from tests.support.lab_pages import outputs, run_all, sign_in, sign_out, start, stop, write_notebook

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.browser,
    pytest.mark.timeout(400, func_only=True),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
]
PLATFORM = """
bowerbird: 1
name: Two teams
contact: admin@example.org
sign_on: {demo: {}}
teams:
  eso: {title: ESO, contact: eso@example.org, members: [researcher]}
  aat: {title: AAT, contact: aat@example.org, members: [visitor]}
profiles:
  minimal: {title: Minimal, memory: 1 GiB, cpu: 1, teams: everyone}
collections:
  sky:
    title: The sky
    contact: sky@example.org
    releases:
      all: {title: Everybody's, public: true}
      eso: {title: ESO's, teams: [eso]}
      aat: {title: AAT's, teams: [aat]}
limits: {start: 90 s}
"""
# The first writes at each start of the server, and says what was written before.
CELLS = (
    "diary = open('diary', 'a+'); diary.seek(0); print('before:', diary.read()); diary.write('here;'); diary.close()",
    "import pathlib; sky = pathlib.Path('/data/releases/sky')",
    "for each in sorted(sky.glob('*/words.txt')):\n    print(each, 'says', each.read_text())",
    """
def tried(act, *arguments):
    try:
        print('done', act(*arguments))
    except OSError as error:
        print('refused:', error.strerror)

for release in ('all', 'eso', 'aat'):
    tried((sky / release / 'words.txt').read_text)
    tried((sky / release / 'mine.txt').write_text, 'mine')
    tried((sky / release / 'words.txt').unlink)
""",
)
_DENIED, _NOT_THERE = "refused: Permission denied", "refused: No such file or directory"


@pytest.fixture(scope="module")
def hub(shared_release: Release) -> Iterator[ClusterHub]:
    """The release's hub with two teams, a release of each, and one of everybody's."""
    hub = ClusterHub(shared_release)
    for name in ("all", "eso", "aat"):
        hub.give_release("sky", name, f"of {name}")
    with hub.edited(PLATFORM):
        yield hub


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def looked(seen: Visit) -> str:
    """Run the notebook that is open, and return what it says."""
    run_all(seen.page)
    return outputs(seen.page)


@pytest.mark.parametrize(("account", "team", "other"), [("researcher", "eso", "aat"), ("visitor", "aat", "eso")])
def test_member_has_their_teams_release_and_no_others_can_write_none_and_keeps_their_home(
    hub: ClusterHub, browser: Browser, tmp_path: Path, account: str, team: str, other: str
) -> None:
    with visit(browser, tmp_path) as seen:
        sign_in(seen, hub, account)
        start(seen, "minimal")
        write_notebook(seen.page, "look", *CELLS)
        told = looked(seen)
        for name in ("all", team):
            assert f"/data/releases/sky/{name}/words.txt says of {name}\n" in told
            assert f"done of {name}\n{_DENIED}\n{_DENIED}\n" in told
        assert f"of {other}" not in told
        assert f"{_NOT_THERE}\n{_NOT_THERE}\n{_NOT_THERE}\n" in told
        assert "before: \n" in told
        stop(seen, hub)
        assert f"server-{account}" not in hub.servers().values()
        start(seen, "minimal")
        # Another one: it has no answers of before in it.
        write_notebook(seen.page, "again", *CELLS)
        assert "before: here;\n" in looked(seen)
        assert hub.read_home(account, "diary") == "here;here;"
        stop(seen, hub)
        sign_out(seen, hub)
