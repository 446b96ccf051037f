"""A hub of our chart on a cluster, as the contract of runtimes sees it: people come in by the proxy and the demo CAS server."""

import base64
import json
import signal
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import yaml

from tests.support.cluster.cluster import NODES
from tests.support.cluster.machine import wait_for
from tests.support.cluster.objects import Object
from tests.support.cluster.release import Release, demo_accounts
from tests.support.hub import Person
from tests.support.session import sign_in

_SECONDS = 120
_PLATFORM = "/etc/bowerbird/platform/platform.yaml"
_HOMES = "/srv/bowerbird/homes"
# Whether the hub has taken up the very text that it was given.
_TAKEN = f"""
import json, pathlib, sys
from bowerbird_config.load import load
from bowerbird_config.paths import Var
from bowerbird_hub.identity.live import read_last_good
path = pathlib.Path("{_PLATFORM}")
taken = read_last_good(Var(pathlib.Path("/srv/bowerbird")).platform)
print(json.loads(path.read_text()) == json.loads(sys.argv[1]) and taken == load(path))
"""
_FORGET = """
import glob, sqlite3
(path,) = glob.glob("/opt/local-path-provisioner/*_hub/jupyterhub.sqlite")
connection = sqlite3.connect(path)
connection.execute("update spawners set server_id = null, state = '{}'")
connection.commit()
"""


@dataclass
class ClusterHub:
    """A `HubUnderTest` whose servers are pods."""

    release: Release
    _people: dict[str, str] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    _wanted: str = ""

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
        self._wanted = json.dumps(told)
        patch = json.dumps({"data": {"platform.yaml": self._wanted}})
        self._kubectl("patch", "configmap", f"{self.release.name}-platform", "--type=merge", "--patch", patch)
        self._hurry()

    def _hurry(self) -> None:
        """Let kubelet look at once: it writes a changed ConfigMap when it next has to do with the pod, which may be a minute."""
        for pod in self.release.pods("hub"):
            number = int(pod["metadata"].get("annotations", {}).get("tests/edit", "0")) + 1
            self._kubectl("annotate", "pod", pod["metadata"]["name"], f"tests/edit={number}", "--overwrite")

    def settled(self) -> bool:
        """Tell whether the platform file as it stands was taken up."""
        return self._in_hub("python3", "-c", _TAKEN, self._wanted).strip() == "True"

    # -- the hub's life --------------------------------------------------------------------------------------------

    def kill_hub(self, signum: int = signal.SIGKILL) -> None:
        """Take the hub's pod away at once, and let none come."""
        self._kubectl("scale", f"deployment/{self.release.name}-hub", "--replicas=0")
        grace = ("--grace-period=0", "--force") if signum == signal.SIGKILL else ()
        for pod in self.release.pods("hub"):
            self._kubectl("delete", "pod", pod["metadata"]["name"], "--ignore-not-found", *grace)
        wait_for(lambda: not self._all_pods("hub"), "the hub's end", _SECONDS)

    def start_hub(self) -> None:
        """Let the hub's pod come, and return when it is Ready."""
        self._kubectl("scale", f"deployment/{self.release.name}-hub", "--replicas=1")
        wait_for(partial(self.release.all_ready, "hub", self.release.name, 1), "the hub", _SECONDS)

    def forget_servers(self) -> None:
        """Take every server out of the hub's database, which lies on a node."""
        for node in NODES:
            if self.release.cluster.inside(node, "sh", "-c", "ls /opt/local-path-provisioner | grep _hub || true"):
                self.release.cluster.inside(node, "python3", "-c", _FORGET)

    # -- what runs -------------------------------------------------------------------------------------------------

    def servers(self) -> dict[str, str]:
        """Return every pod of a server, by its uid."""
        found = self.release.cluster.get(f"/api/v1/namespaces/{self.release.users}/pods")["items"]
        for pod in found:
            owners = [owner for key, owner in pod["metadata"]["annotations"].items() if key.endswith("/user")]
            self._owners[pod["metadata"]["uid"]] = owners[0]
        return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in found}

    def shown(self) -> str:
        return json.dumps(self.release.cluster.get(f"/api/v1/namespaces/{self.release.users}/pods"))

    def secrets(self) -> list[str]:
        held = self.release.cluster.get(f"/api/v1/namespaces/{self.release.name}/secrets/{self.release.name}-secrets")["data"]
        return [base64.b64decode(value).decode() for value in held.values()]

    def mounts(self) -> list[str]:
        """Return the lines of all nodes' tables of mounts that are of a server's volume."""
        tables = (self.release.cluster.inside(node, "cat", "/proc/self/mountinfo") for node in NODES)
        lines = [line for table in tables for line in table.splitlines() if "kubernetes.io~csi" in line]
        services = [pod["metadata"]["uid"] for pod in self._all_pods("services")]
        return [line for line in lines if not any(uid in line for uid in services)]

    def mounted(self) -> set[str]:
        self.servers()
        return {owner for uid, owner in self._owners.items() if any(uid in line for line in self.mounts())}

    def end_server(self) -> None:
        """Take the one server's pod away behind the hub."""
        (name,) = self.servers().values()
        self.release.cluster.kubectl("delete", "pod", "-n", self.release.users, name, "--grace-period=0", "--force")

    # -- the nodes -------------------------------------------------------------------------------------------------

    def refuse_data(self, words: str | None) -> None:
        raise NotImplementedError(words)

    def read_home(self, user: str, path: str) -> str:
        return self.release.cluster.inside(NODES[0], "cat", f"{_HOMES}/{user}/{path}")

    def write_home(self, user: str, path: str, text: str | None) -> None:
        """Write as the home's owner, on the node."""
        program = """
import os, pathlib, sys
home, path, text = pathlib.Path(sys.argv[1]), *sys.argv[2:]
file, told = home / path, os.stat(home)
os.setgroups([]); os.setgid(told.st_gid); os.setuid(told.st_uid)
file.parent.mkdir(parents=True, exist_ok=True)
file.unlink(missing_ok=True)
text and file.write_text(text)
"""
        self.release.cluster.inside(NODES[0], "python3", "-c", program, f"{_HOMES}/{user}", path, text or "")

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
