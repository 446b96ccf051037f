"""A hub of our chart on a cluster, as the contract of runtimes sees it: people come in by the proxy and the demo CAS server."""

import base64
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import yaml
from bowerbird_config.user_names import SERVICES_ACCOUNT

from tests.support.cluster.cluster import NODES
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import Object
from tests.support.cluster.release import Release, demo_accounts
from tests.support.hub import Person
from tests.support.names import person_client
from tests.support.session import sign_in

_SECONDS = 120
_PLATFORM = "/etc/bowerbird/platform/platform.yaml"
_HOMES = "/srv/bowerbird/homes"
_RELEASES = "/srv/bowerbird/releases"
# Whether the hub has taken up the very text that it was given.
_TAKEN = f"""
import json, pathlib, sys
from bowerbird_config.load import load
from bowerbird_config.paths import Var
from bowerbird_config.platform import Platform
path = pathlib.Path("{_PLATFORM}")
taken = Platform.model_validate_json(Var(pathlib.Path("/srv/bowerbird")).platform.read_text())
print(json.loads(path.read_text()) == json.loads(sys.argv[1]) and taken == load(path))
"""
# Whose views are mounted on this node.
_VIEWS = """
import json, pathlib, sys
views = f"{sys.argv[1]}/run/views/"
points = [line.split()[4] for line in open("/proc/self/mountinfo")]
print(json.dumps([point.removeprefix(views) for point in points if point.startswith(views)]))
"""
# What is on this node of the owner of that home, and of nobody who has a volume there.
_LEFT = """
import json, os, pathlib, sys
var, home = map(pathlib.Path, sys.argv[1:])
csi, owner = var / "run/csi", home.stat().st_uid if home.exists() else -1
records = {path.stem: json.loads(path.read_text()) for path in csi.glob("volumes/*")}
others = {stem: told["target"] for stem, told in records.items() if told["user"] != home.name}
found = [str(path) for path in (*csi.glob("volumes/*"), *csi.glob("contents/*")) if path.stem not in others]
points = [line.split()[4] for line in open("/proc/self/mountinfo")]
found += [point for point in points if "kubernetes.io~csi" in point and not point.startswith(tuple(others.values()))]
found += [point for point in points if point.endswith(f"/views/{home.name}")]
def command(pid):
    try:
        return open(f"/proc/{pid}/cmdline").read() if os.stat(f"/proc/{pid}").st_uid == owner else ""
    except OSError:  # it has ended
        return ""
found += filter(None, map(command, filter(str.isdecimal, os.listdir("/proc"))))
print(json.dumps(found))
"""
_WRITE = """
import json, os, pathlib, sys
home, path, text = pathlib.Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
file, told = home / path, os.stat(home)
os.setgroups([]); os.setgid(told.st_gid); os.setuid(told.st_uid)
file.parent.mkdir(parents=True, exist_ok=True)
file.unlink(missing_ok=True) if text is None else file.write_text(text)
"""
# Takes the servers out of the database of that release's hub, where it lies on this node; says whether it does.
_FORGET = """
import glob, sqlite3, sys
found = glob.glob(f"/opt/local-path-provisioner/*_{sys.argv[1]}-hub/hub/hub.sqlite")
for path in found:
    connection = sqlite3.connect(path)
    connection.execute("update spawners set server_id = null, state = '{}'")
    connection.commit()
print(len(found))
"""


@dataclass
class ClusterHub:
    """A `HubUnderTest` whose servers are pods."""

    release: Release
    _people: dict[str, str] = field(default_factory=dict)
    # The platform file that was given last, and the last that the hub was seen to have taken up.
    _wanted: str = ""
    _taken: str = ""

    @property
    def url(self) -> str:
        return self.release.url

    def log(self) -> str:
        return self._kubectl("logs", f"deployment/{self.release.name}-hub", "-c", "hub", "--tail=400")

    def sign_in(self, name: str) -> Person:
        session = sign_in(self.url, name, self.password(name))
        session.client.base_url = self.url
        return Person(self, name, session.client)

    def password(self, name: str) -> str:
        """Return the password of a demo account, as an administrator reads it."""
        if not self._people:
            told = self._in_hub("cat", "/srv/bowerbird/demo-accounts.txt")
            self._people = {line.split()[0]: line.split()[1] for line in told.splitlines()}
        return self._people[name]

    # -- the platform file -----------------------------------------------------------------------------------------

    def edit(self, text: str) -> None:
        """Give the platform file to the ConfigMap; what only a machine or a cluster has is the cluster's."""
        told = yaml.safe_load(text)
        told["sign_on"] = {"demo": {"accounts": demo_accounts()}, "admins": ["admin"]}
        told["runtime"] = {"kind": "kubernetes"}
        self.put(json.dumps(told))

    @contextmanager
    def edited(self, text: str) -> Iterator[None]:
        """Have a platform file in force while the block runs, and then what was there before."""
        self.await_ready()
        before = self.platform_file()
        self.edit(text)
        try:
            wait_for(self.settled, "the platform file", _SECONDS)
            yield
        finally:
            self.put(before)

    def platform_file(self) -> str:
        """Return the text of the ConfigMap."""
        return str(self._config_map()["data"]["platform.yaml"])

    def _config_map(self) -> Object:
        return self.release.cluster.get(f"/api/v1/namespaces/{self.release.name}/configmaps/{self.release.name}-platform")

    def put(self, text: str) -> None:
        """Give that very text to the ConfigMap, under Helm's name: what is another's, an upgrade would not change."""
        self._wanted = text
        found = self._config_map()
        metadata = {key: found["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if key in found["metadata"]}
        (helm,) = {entry["manager"] for entry in found["metadata"]["managedFields"] if entry["operation"] == "Apply"}
        told = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"platform.yaml": text}}
        options = ("--server-side", "--force-conflicts", f"--field-manager={helm}", "-f", "-")
        self.release.cluster.kubectl("apply", *options, text=json.dumps(told))
        self._hurry()

    def _hurry(self) -> None:
        """Let kubelet look at once: it writes a changed ConfigMap when it next has to do with the pod, which may be a minute."""
        for pod in (*self.release.pods("hub"), *self.release.pods("culler")):
            number = int(pod["metadata"].get("annotations", {}).get("tests/edit", "0")) + 1
            self._kubectl("annotate", "pod", pod["metadata"]["name"], f"tests/edit={number}", "--overwrite")

    def settled(self) -> bool:
        """Tell whether the platform file as it stands was taken up."""
        if self._taken != self._wanted and self._in_hub("python3", "-c", _TAKEN, self._wanted).strip() == "True":
            self._taken = self._wanted
        return self._taken == self._wanted

    # -- the hub's life --------------------------------------------------------------------------------------------

    def kill_hub(self, signum: int = signal.SIGKILL) -> None:
        """Take the hub's pod away at once, and let none come."""
        self._kubectl("scale", f"deployment/{self.release.name}-hub", "--replicas=0")
        grace = ("--grace-period=0", "--force") if signum == signal.SIGKILL else ()
        for pod in self.release.pods("hub"):
            self._kubectl("delete", "pod", pod["metadata"]["name"], "--ignore-not-found", *grace)
        wait_for(lambda: not self._all_pods("hub"), "the hub's end", _SECONDS)

    def start_hub(self) -> None:
        """Let the hub's pod come, and return when people reach it."""
        self._kubectl("scale", f"deployment/{self.release.name}-hub", "--replicas=1")
        self.await_ready()

    def await_ready(self) -> None:
        """Return when people can come in and their servers get their files."""
        for component, namespace, count in (("hub", self.release.name, 1), ("proxy", self.release.name, 1), ("data", self.release.data, 2)):
            wait_for(partial(self.release.all_ready, component, namespace, count), f"the {component}'s pods", _SECONDS)
        # A pod that is Ready is reached when its node's rules say so, a moment later.
        with person_client(self.url) as client:
            wait_for(lambda: answers(client), "the sign-in page", _SECONDS)

    def forget_servers(self) -> None:
        """Take every server out of the hub's database, which lies on a node."""
        found = [int(self._on(node, "python3", "-c", _FORGET, self.release.name)) for node in NODES]
        assert sum(found) == 1

    # -- what runs -------------------------------------------------------------------------------------------------

    def servers(self) -> dict[str, str]:
        """Return every pod of a server, by its uid."""
        found = self.release.cluster.get(f"/api/v1/namespaces/{self.release.users}/pods")["items"]
        return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in found}

    def shown(self) -> str:
        return json.dumps(self.release.cluster.get(f"/api/v1/namespaces/{self.release.users}/pods"))

    def secrets(self) -> list[str]:
        return list(self._secrets().values())

    def obituaries(self) -> str:
        return self._in_hub("cat", "/srv/bowerbird/run/obituaries.json")

    def figures(self) -> str:
        """Return the hub's figures, as Prometheus is told them."""
        headers = {"Authorization": f"token {self._secrets()['metrics-token']}"}
        with person_client(self.url) as client:
            return client.get("hub/metrics", headers=headers).raise_for_status().text

    def _secrets(self) -> dict[str, str]:
        held = self.release.cluster.get(f"/api/v1/namespaces/{self.release.name}/secrets/{self.release.name}-secrets")["data"]
        return {key: base64.b64decode(value).decode() for key, value in held.items()}

    def mounts(self) -> list[str]:
        """Return the lines of all nodes' tables of mounts that are of a server's volume."""
        tables = (self._on(node, "cat", "/proc/self/mountinfo") for node in NODES)
        lines = [line for table in tables for line in table.splitlines() if "kubernetes.io~csi" in line]
        services = [pod["metadata"]["uid"] for pod in self._all_pods("services")]
        return [line for line in lines if not any(uid in line for uid in services)]

    def mounted(self) -> set[str]:
        views = {user for node in NODES for user in json.loads(self._on(node, "python3", "-c", _VIEWS, self._var))}
        return views - {SERVICES_ACCOUNT}

    def left_of(self, user: str) -> list[str]:
        """Return what the nodes have of a user's servers: volumes, mounts, processes, records and secrets."""
        told = (json.loads(self._on(node, "python3", "-c", _LEFT, self._var, f"{_HOMES}/{user}")) for node in NODES)
        return [f"{node}: {each}" for node, found in zip(NODES, told, strict=True) for each in found]

    def end_server(self) -> None:
        """Take the one server's pod away behind the hub, as a cluster that is in need does."""
        (name,) = self.servers().values()
        self.release.cluster.kubectl("delete", "pod", "-n", self.release.users, name, "--grace-period=0", "--force")

    # -- the nodes -------------------------------------------------------------------------------------------------

    def give_release(self, collection: str, release: str, text: str) -> None:
        """Write the one file of a release, `words.txt`."""
        folder = f"{_RELEASES}/{collection}/{release}"
        self._on(NODES[0], "sh", "-c", 'mkdir -p "$1" && printf %s "$2" > "$1/words.txt"', "-", folder, text)

    def give_data(self, user: str, text: str) -> str:
        self.write_home(user, "given.txt", text)
        return "home/given.txt"

    @contextmanager
    def refusing_data(self, user: str) -> Iterator[str]:
        """Let a file stand where the user's home is to be."""
        home = f"{_HOMES}/{user}"
        self._on(NODES[0], "sh", "-c", 'if [ -e "$1" ]; then mv "$1" "$1.away"; fi; touch "$1"', "-", home)
        try:
            yield f"the home of {user} cannot be used: {self._var}/homes/{user} is not a directory: move it away"
        finally:
            self._on(NODES[0], "sh", "-c", 'rm "$1"; if [ -e "$1.away" ]; then mv "$1.away" "$1"; fi', "-", home)

    def read_home(self, user: str, path: str) -> str:
        return self._on(NODES[0], "cat", f"{_HOMES}/{user}/{path}")

    def write_home(self, user: str, path: str, text: str | None) -> None:
        """Write as the home's owner, on the node."""
        self._on(NODES[0], "python3", "-c", _WRITE, f"{_HOMES}/{user}", path, json.dumps(text))

    @property
    def _var(self) -> str:
        return f"/var/lib/bowerbird/{self.release.name}"

    def _on(self, node: str, *argv: str) -> str:
        return self.release.cluster.inside(node, *argv)

    # -- talking to Kubernetes -------------------------------------------------------------------------------------

    def _kubectl(self, verb: str, *arguments: str) -> str:
        return self.release.cluster.kubectl("-n", self.release.name, verb, *arguments, seconds=_SECONDS)

    def _in_hub(self, *argv: str) -> str:
        return self._kubectl("exec", f"deployment/{self.release.name}-hub", "-c", "hub", "--", *argv)

    def _all_pods(self, component: str) -> list[Object]:
        selector = f"app.kubernetes.io/instance={self.release.name},app.kubernetes.io/component={component}"
        found: list[dict[str, Any]] = self.release.cluster.get(f"/api/v1/namespaces/{self.release.name}/pods?labelSelector={selector}")[
            "items"
        ]
        return found


def answers(client: httpx.Client) -> bool:
    """Tell whether a client reaches the hub."""
    with suppress(httpx.HTTPError):
        return all(client.get(page).status_code == httpx.codes.OK for page in ("hub/health", "cas/login"))
    return False
