"""What every runtime must do, seen from outside: through the hub's pages and API, and from a kernel in the server."""

import html
import json
import signal
import textwrap
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin

import httpx
import pytest

from tests.support.hub import PLATFORM, HubUnderTest, Person
from tests.support.names import owners_url
from tests.support.session import Session

WAIT_SECONDS = 30
_BIG = "block = bytearray(1 << 30)"
_MANY = """
import subprocess
children = []
try:
    for _ in range(200):
        children.append(subprocess.Popen(["sleep", "60"]))
    print("no limit")
except BlockingIOError:
    print("refused")
for child in children:
    child.kill()
    child.wait()
"""
# Two processes at once, and how many processors they got.
_BUSY = """
import resource, subprocess, sys, time
burn = "import time\\nend = time.monotonic() + 3\\nwhile time.monotonic() < end: pass"
began = time.monotonic()
for child in [subprocess.Popen([sys.executable, "-c", burn]) for _ in range(2)]:
    child.wait()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print((used.ru_utime + used.ru_stime) / (time.monotonic() - began))
"""
FORBIDDEN, BAD = httpx.codes.FORBIDDEN, httpx.codes.BAD_REQUEST


def until(what: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Return the first true answer; TimeoutError when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError(f"{what} did not become true within {seconds} s")


def kernel_of(person: Person) -> tuple[Session, str]:
    """Start a kernel in a person's server."""
    session = Session(person.hub.url, person.name, person.client)
    session.wait_ready()
    return session, session.kernel()


def told_by(person: Person, code: str) -> Any:
    """Return what code in a fresh kernel says as JSON in `answer`."""
    session, kernel = kernel_of(person)
    try:
        printed = session.run(kernel, f"{textwrap.dedent(code)}\nimport json; print(json.dumps(answer))")
    finally:
        session.api("DELETE", f"kernels/{kernel}")
    return json.loads(printed)


H = TypeVar("H", bound=HubUnderTest)


class RuntimeContract(ABC, Generic[H]):
    """The suite. A runtime's test class gives `hub`, a real one with that runtime, once for the module.

    tests/hub/test_process_runtime.py runs it where servers are processes, tests/cluster/test_kubernetes_runtime.py where they are pods.
    """

    @pytest.fixture
    def arrive(self, hub: H) -> Iterator[Callable[[str], Person]]:
        """Sign people in; their servers are stopped afterwards."""
        came: list[Person] = []
        # The test before may have put the platform file back a moment ago.
        until(hub.settled)

        def arrive(name: str) -> Person:
            came.append(hub.sign_in(name))
            return came[-1]

        yield arrive
        for person in came:
            for name in [name for name in ("", "second") if person.model(name)]:
                person.stop(name)
            person.client.close()

    # -- start -----------------------------------------------------------------------------------------------------

    def test_server_starts_with_home_data_and_the_profiles_variables(self, arrive: Callable[[str], Person]) -> None:
        person = arrive("researcher")
        person.start("reduction")
        given = person.hub.give_data("researcher", "brought by another")
        found = told_by(
            person,
            f"""
            import getpass, os, pathlib
            home = pathlib.Path.home()
            (home / "mine.txt").write_text("kept")
            answer = {{"user": getpass.getuser(), "home": os.environ["HOME"], "profile": os.environ["BOWERBIRD_PROFILE"],
                      "variable": os.environ["ESO_ANSWER"], "memory": os.environ["MEM_LIMIT"],
                      "data": (pathlib.Path(os.environ["BOWERBIRD_DATA"]) / "{given}").read_text()}}
            """,
        )
        assert found == {
            "user": "researcher",
            "home": "/home/researcher",
            "profile": "reduction",
            "variable": "42",
            "memory": str(2 << 30),
            "data": "brought by another",
        }
        assert person.hub.read_home("researcher", "mine.txt") == "kept"

    def test_environment_and_processes_of_a_server_hold_no_secret(self, arrive: Callable[[str], Person]) -> None:
        person = arrive("researcher")
        person.start("minimal")
        told = told_by(person, "import os; answer = dict(os.environ)")
        assert "SECRET_OF_THE_HUB" not in told
        assert {name for name in told if name.startswith("BOWERBIRD_")} == {
            f"BOWERBIRD_{name}" for name in ("DATA", "NEWS", "PROFILE", "SERVER", "TAP_URL")
        }
        for secret in person.hub.secrets():
            assert secret not in json.dumps(told)
        own = told["JUPYTERHUB_API_TOKEN"]
        assert own not in person.hub.shown()

    def test_progress_says_in_words_what_is_being_done(self, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        assert person.post_form({"profile": "minimal"}).status_code == httpx.codes.OK
        events = person.progress()
        words = [event["message"] for event in events]
        assert words[:3] == ["Server requested", "Checking your profile and your home", "Mounting your data"]
        assert events[-1]["ready"] is True
        assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)

    # -- options ---------------------------------------------------------------------------------------------------

    def test_admin_stops_and_starts_the_server_of_another_and_opens_it_not(self, arrive: Callable[[str], Person]) -> None:
        admin, person = arrive("admin"), arrive("visitor")
        person.start("minimal")
        theirs = urljoin(owners_url(person.hub.url, "visitor"), "/user/visitor/")
        for place in ("lab", "api/contents"):
            assert admin.client.get(theirs + place).status_code == FORBIDDEN
        assert admin.api("POST", "users/visitor/tokens", {}).status_code in {FORBIDDEN, httpx.codes.NOT_FOUND}
        assert admin.api("POST", "users/nobody").status_code == FORBIDDEN
        assert admin.api("DELETE", "users/visitor/server").is_success
        person.wait(lambda model: model is None or model.get("stopped"))
        assert admin.api("POST", "users/visitor/server", {"profile": "minimal"}).is_success
        person.wait(lambda model: bool(model and model["ready"]))

    def test_profile_of_another_team_is_not_on_the_form(self, arrive: Callable[[str], Person]) -> None:
        page = arrive("visitor").get("hub/spawn").text
        assert 'value="minimal"' in page
        assert "reduction" not in page

    @pytest.mark.parametrize("server", ["", "second"])
    def test_profile_of_another_team_is_refused_by_form_and_api(self, arrive: Callable[[str], Person], server: str) -> None:
        person = arrive("visitor")
        sentence = "Starting a server with profile reduction is refused: nothing of that name is open to you"
        page = person.refused({"profile": "reduction"}, server)
        assert (page.status_code, sentence in page.text) == (FORBIDDEN, True)
        path = f"users/visitor/servers/{server}" if server else "users/visitor/server"
        answer = person.api("POST", path, {"user_options": {"profile": "reduction"}})
        assert answer.status_code == FORBIDDEN
        assert sentence in answer.json()["message"]
        assert person.hub.servers() == {}

    def test_profile_of_another_team_is_refused_by_link(self, arrive: Callable[[str], Person]) -> None:
        page = arrive("visitor").get("hub/spawn?opt-profile=reduction")
        assert page.status_code == FORBIDDEN
        assert "Starting a server with profile reduction is refused" in page.text

    @pytest.mark.parametrize(("site", "mode"), [("cross-site", "no-cors"), ("cross-site", "navigate"), ("same-site", "cors")])
    def test_link_on_another_site_starts_nothing(self, arrive: Callable[[str], Person], site: str, mode: str) -> None:
        person = arrive("visitor")
        page = person.get("hub/spawn/visitor/theirs?profile=minimal", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)
        assert (page.status_code, "from a link on another site is refused" in page.text) == (FORBIDDEN, True)
        assert person.model("theirs") is None
        assert person.hub.servers() == {}

    def test_what_is_no_option_is_refused_and_not_kept(self, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        answer = person.api("POST", "users/owner/server", {"user_options": {"profile": "minimal", "environment": {"LD_PRELOAD": "x"}}})
        assert answer.status_code == BAD
        assert "cannot be set" in answer.json()["message"]
        kept = (person.model() or {}).get("user_options")
        assert not kept
        # By which name only a traceback would call it.
        assert "StartRefused" not in person.hub.log()

    @pytest.mark.parametrize("option", ["image", "privileged", "hostPath", "profile-option-minimal--image", "kubespawner_override"])
    def test_image_and_rights_are_asked_for_in_vain_by_form_api_and_link(self, arrive: Callable[[str], Person], option: str) -> None:
        person = arrive("owner")
        form = person.refused({"profile": "minimal", option: "evil:1"})
        link = person.get(f"hub/spawn?opt-profile=minimal&opt-{option}=evil:1")
        answer = person.api("POST", "users/owner/server", {"user_options": {"profile": "minimal", option: "evil:1"}})
        assert [each.status_code for each in (form, link, answer)] == [BAD] * 3
        sentence = f"'{option}' cannot be set; the one option is 'profile'"
        assert all(sentence in html.unescape(each.text) for each in (form, link, answer))
        assert person.hub.servers() == {}

    def test_script_in_an_option_is_shown_as_text(self, arrive: Callable[[str], Person]) -> None:
        page = arrive("owner").refused({"profile": "<script>alert(1)</script>"})
        assert page.status_code == BAD
        assert "<script>alert(1)</script>" not in page.text

    def test_choice_of_yesterday_is_asked_again_today(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("researcher")
        person.start("reduction")
        person.stop()
        hub.edit(PLATFORM.replace("members: [researcher]", "members: [somebody]"))
        try:
            # No options at all: JupyterHub takes those of the last start.
            until(lambda: "reduction" not in person.get("hub/spawn").text)
            answer = person.api("POST", "users/researcher/server")
            assert answer.status_code == FORBIDDEN
            assert "profile reduction is refused" in answer.json()["message"]
        finally:
            hub.edit(PLATFORM)

    def test_one_server_too_many_is_refused_in_plain_words(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        person.start("minimal")
        hub.edit(PLATFORM.replace("limits: {", "limits: {servers_per_user: 1, ").replace("title: Minimal", "title: Alone"))
        try:
            until(lambda: "Alone" in person.get("hub/spawn/owner/second").text)
            refused = person.refused({"profile": "minimal"}, "second")
            assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
            assert "A person may run one server at once here" in refused.text
        finally:
            hub.edit(PLATFORM)

    def test_environment_that_is_not_installed_is_told_by_form_and_api_before_anything_starts(
        self, arrive: Callable[[str], Person]
    ) -> None:
        person = arrive("owner")
        answer = person.api("POST", "users/owner/server", {"user_options": {"profile": "absent"}})
        sentence = answer.json()["message"]
        assert sentence.startswith("The environment 'gone' of this profile is not installed on this ")
        form, page = person.get("hub/spawn"), person.refused({"profile": "absent"})
        assert {answer.status_code, page.status_code} == {httpx.codes.SERVICE_UNAVAILABLE}
        assert '<input type="radio" name="profile" value="absent" disabled>' in form.text
        assert all(sentence in html.unescape(shown.text) for shown in (form, page))

    def test_data_that_cannot_be_mounted_are_told(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        hub.edit(PLATFORM.replace("start: 120 s", "start: 15 s"))
        until(hub.settled)
        try:
            with hub.refusing_data("owner") as words:
                page = person.refused({"profile": "minimal"})
        finally:
            hub.edit(PLATFORM)
        assert page.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert f"Your data could not be mounted: {words}." in html.unescape(page.text)

    # -- limits ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def unlimited(self) -> str:
        """Return which limits this machine cannot keep, and why; nothing where it can keep all."""

    def start_tight(self, person: Person) -> tuple[Session, str]:
        """Start the server of the least profile, and a kernel in it."""
        if self.unlimited():
            pytest.skip(self.unlimited())
        person.start("tight")
        return kernel_of(person)

    def test_processes_and_processor_time_of_the_profile_are_limits(self, arrive: Callable[[str], Person]) -> None:
        session, kernel = self.start_tight(arrive("owner"))
        assert session.run(kernel, _MANY) == "refused\n"
        assert float(session.run(kernel, _BUSY)) < 0.5 + 0.1

    def test_memory_of_the_profile_is_a_limit_and_who_reached_it_is_told_on_the_next_page(
        self, hub: H, arrive: Callable[[str], Person]
    ) -> None:
        person = arrive("owner")
        session, kernel = self.start_tight(person)
        # One process grows, and nothing waits for a kernel that is gone.
        assert session.run(kernel, f"import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', {_BIG!r}]).returncode)") == "-9\n"
        page = until(lambda: shows(person.get("hub/home"), "reached its memory limit of 320 MiB")).text
        assert "a process was ended" in page
        read = "import os; print(open(os.environ['BOWERBIRD_NEWS']).read())"
        news = until(lambda: _object(session.run(kernel, read)))
        assert news["words"] in html.unescape(page)
        before = hub.obituaries()
        hub.kill_hub()
        hub.start_hub()
        assert hub.obituaries() == before
        person.stop()
        person.start("minimal")
        assert "memory limit" not in person.get("hub/home").text

    # -- ends ------------------------------------------------------------------------------------------------------

    def test_stop_ends_everything_and_unmounts_after_the_last_server(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        person.start("minimal")
        person.start("minimal", "second")
        told_by(person, "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True); answer = None")
        person.stop()
        assert "owner" in hub.mounted()
        person.stop("second")
        assert "owner" not in hub.mounted()
        assert hub.servers() == {}
        assert self.left_of("owner", hub) == []

    @abstractmethod
    def left_of(self, user: str, hub: H) -> list[str]:
        """Return what is left on the machine of a user's stopped servers, each as a text."""

    def test_death_from_outside_is_noticed_at_once(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        person.start("minimal")
        self.kill_server(hub)
        began = time.monotonic()
        person.wait(lambda model: not model or not model["ready"])
        assert time.monotonic() - began < 5
        # While the hub still takes the server's route away, the page may come with another status.
        until(lambda: _stopped(person.get("user/owner/lab")))
        until(lambda: not hub.servers())

    @abstractmethod
    def kill_server(self, hub: H) -> None:
        """Kill the one server that runs, as the machine's own troubles would."""

    def test_idle_server_is_stopped_by_the_limit_that_is_in_force(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        person.start("minimal")
        hub.edit(PLATFORM.replace("idle: 1 h", "idle: 2 s"))
        try:
            person.wait(lambda model: not model or model.get("stopped"))
        finally:
            hub.edit(PLATFORM)
        until(lambda: not hub.servers())

    def test_failed_start_shows_the_end_of_the_log(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        person.start("minimal")
        person.stop()
        config = ".jupyter/jupyter_server_config.py"
        hub.write_home("owner", config, "import sys\nprint('a mistake <b>of mine</b>')\nsys.exit(3)\n")
        try:
            person.post_form({"profile": "minimal"})
            page = until(lambda: shows(person.get("hub/spawn-pending/owner"), "ended while it was starting"))
        finally:
            hub.write_home("owner", config, None)
        assert "a mistake &lt;b&gt;of mine&lt;/b&gt;" in page.text

    # -- the hub's own life ----------------------------------------------------------------------------------------

    def test_killed_hub_finds_the_server_again_with_its_kernel_counting(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("researcher")
        person.start("minimal")
        session, kernel = kernel_of(person)
        session.run(kernel, "import threading, time, itertools\nticks = itertools.count()\nnow = 0")
        session.run(kernel, "def go():\n  global now\n  while True:\n    now = next(ticks); time.sleep(0.01)")
        session.run(kernel, "threading.Thread(target=go, daemon=True).start()")
        before = int(session.run(kernel, "print(now)"))
        hub.kill_hub(signal.SIGKILL)
        hub.start_hub()
        model = person.wait(lambda found: bool(found and found["ready"]))
        assert model is not None
        assert int(session.run(kernel, "print(now)")) > before
        person.stop()
        assert hub.servers() == {}

    def test_server_without_a_record_is_ended_at_the_hubs_start(self, hub: H, arrive: Callable[[str], Person]) -> None:
        person = arrive("owner")
        person.start("minimal")
        hub.kill_hub(signal.SIGKILL)
        hub.forget_servers()
        hub.start_hub()
        until(lambda: not hub.servers())
        until(lambda: "owner" not in hub.mounted())
        assert self.left_of("owner", hub) == []


def _stopped(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.FAILED_DEPENDENCY and "is not running" in answer.text


def shows(answer: httpx.Response, words: str) -> httpx.Response | None:
    """Return an answer in which those words are; None where they are not."""
    return answer if words in answer.text else None


def _object(printed: str) -> dict[str, Any] | None:
    return dict(json.loads(printed)) if printed.startswith("{") else None
