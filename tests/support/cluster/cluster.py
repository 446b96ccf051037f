"""A Kubernetes of two nodes on this machine, for tests: start it, talk to it, cut a node's power, and nothing is left of it."""

import atexit
import json
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property, partial
from ipaddress import IPv4Address
from pathlib import Path
from string import Template
from typing import Any

import httpx

from tests.support.cluster import control_plane, images, node, place, platform_images, stores
from tests.support.cluster.authority import Authority
from tests.support.cluster.kept import cache
from tests.support.cluster.lacking import require_machines
from tests.support.cluster.machine import Machine, run, wait_for
from tests.support.cluster.programs import programs
from tests.support.names import HOST

NODES = ("node1", "node2")
# A label of the node that people's servers are started on.
SERVERS = "tests/servers"
MANIFESTS = Path(__file__).parents[2] / "cluster/manifests"
_PKI = control_plane.PKI.lstrip("/")
_SECONDS = 60.0
# What starts on a machine with other work; alone it takes ten.
_START_SECONDS = 150.0
_LOAD_SECONDS = 240.0
# Whose certificate says what to the API server: file, name, group.
_CLIENTS = (
    ("admin", "admin", "system:masters"),
    ("kcm", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
    ("proxy", "system:kube-proxy", ""),
    ("netpol", "netpol", ""),
)


class KubectlError(Exception):
    """What kubectl said when it failed."""


class Cluster:
    """A running cluster. `start()` gives one."""

    def __init__(self, held: place.Place, built: Path, store: Path) -> None:
        self.place = held
        self.programs = built
        self.store = store
        self.addresses = held.addresses
        self.server = f"https://{self.addresses.control_plane}:{control_plane.PORT}"
        self.authority = Authority(held.folder / "pki")
        self.kubeconfig = held.folder / "pki/admin.kubeconfig"
        self.machines: dict[str, Machine] = {}
        self._loaded: set[tuple[Path, str]] = set()

    @property
    def door(self) -> IPv4Address:
        """Where the tests' own host leads: the first node, as an institute's name server has it."""
        return self.addresses.node(1)

    # --- talking to it

    def kubectl(self, *arguments: str, text: str | None = None, seconds: float = _SECONDS) -> str:
        """Run kubectl as the cluster's administrator and return what it printed."""
        argv = [str(self.programs / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments]
        ended = subprocess.run(argv, input=text, capture_output=True, text=True, check=False, timeout=seconds)
        if ended.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {ended.stderr.strip()}")
        return ended.stdout

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects."""
        self.kubectl("apply", "-f", "-", text="\n---\n".join(map(json.dumps, objects)))

    @cached_property
    def api(self) -> httpx.Client:
        """A client of the API server itself, with the administrator's certificate."""
        pki = self.place.folder / "pki"
        context = ssl.create_default_context(cafile=pki / "ca.crt")
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        return httpx.Client(base_url=self.server, verify=context, trust_env=False, timeout=30)

    def get(self, path: str) -> dict[str, Any]:
        """Return what the API server holds under a path such as `/api/v1/nodes`."""
        answer = self.api.get(path)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def await_ready(self, namespace: str, *pods: str, seconds: float = _SECONDS) -> None:
        """Wait until pods are Ready; TimeoutError with their last events where they are not in time."""
        for pod in pods:
            path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
            try:
                wait_for(partial(self._is, path, "Ready"), pod, seconds, every=0.1)
            except TimeoutError as late:
                told = self.kubectl("events", "-n", namespace, "--for", f"pod/{pod}")
                raise TimeoutError(f"{late}\n{told}") from late

    def python(self, namespace: str, pod: str, program: str, *arguments: str) -> str:
        """Run a Python program in a pod and return what it printed; KubectlError where it fails."""
        return self.kubectl("exec", "-n", namespace, pod, "--", "python3", "-c", program, *arguments)

    def inside(self, machine: str, *argv: str, seconds: float = _SECONDS) -> str:
        """Run a command in a machine and return what it printed; RuntimeError with its words where it fails."""
        return run(*self.machines[machine].inside(*argv), seconds=seconds)

    def load(self, archive: Path, name: str) -> None:
        """Bring an image to a node, which keeps it."""
        if (archive, name) in self._loaded:
            return
        command = self.machines[name].inside("ctr", "--address", node.SOCKET, "-n", "k8s.io", "images", "import", "-")
        with archive.open("rb") as image:
            subprocess.run(command, stdin=image, capture_output=True, check=True, timeout=_LOAD_SECONDS)
        self._loaded.add((archive, name))

    def tag(self, image: str, other: str, name: str) -> None:
        """Give an image that a node has another name as well."""
        self.inside(name, "ctr", "--address", node.SOCKET, "-n", "k8s.io", "images", "tag", "--force", image, other)

    def ready(self) -> set[str]:
        """Return the nodes that are Ready."""
        nodes = self.get("/api/v1/nodes")["items"]
        return {item["metadata"]["name"] for item in nodes if condition(item, "Ready")}

    @contextmanager
    def namespace(self, name: str, *, enforce: str = "") -> Iterator[str]:
        """Keep a namespace while the block runs, whose Pod Security level is ENFORCE; all in it goes with it."""
        labels = {"pod-security.kubernetes.io/enforce": enforce} if enforce else {}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        try:
            wait_for(lambda: self._exists(f"/api/v1/namespaces/{name}/serviceaccounts/default"), f"{name}'s service account", 20)
            yield name
        finally:
            # Who comes next has another name, and need not wait for it.
            self.kubectl("delete", "namespace", name, "--wait=false")

    def _exists(self, path: str) -> bool:
        return self.api.get(path).status_code == httpx.codes.OK

    def _is(self, path: str, kind: str) -> bool:
        return condition(self.get(path), kind)

    # --- power

    def power_cut(self, name: str) -> None:
        """Switch a machine off without a word to anybody."""
        self.machines[name].power_cut()

    def boot(self, name: str) -> None:
        """Switch a machine on again; `ready()` tells when Kubernetes has it back."""
        self.machines[name].boot()

    def start_servers_on(self, name: str) -> None:
        """Have people's servers started on that node from now on; those that run stay where they are."""
        self.kubectl("label", "nodes", "--all", f"{SERVERS}-")
        self.kubectl("label", "node", name, f"{SERVERS}=here")

    @contextmanager
    def servers_nowhere(self) -> Iterator[None]:
        """Have no server started while the block runs: its pod waits for a node."""
        self.kubectl("label", "nodes", "--all", f"{SERVERS}-")
        try:
            yield
        finally:
            self.start_servers_on(NODES[0])

    @contextmanager
    def servers_on(self, name: str) -> Iterator[None]:
        """Have people's servers started on that node while the block runs."""
        self.start_servers_on(name)
        try:
            yield
        finally:
            self.start_servers_on(NODES[0])

    @contextmanager
    def without_api(self) -> Iterator[None]:
        """Have no control plane while the block runs; nodes, and what runs on them, go on."""
        self.power_cut("cp")
        try:
            yield
        finally:
            self.boot("cp")
            wait_for(lambda: self._answers("/readyz"), "the API server", _START_SECONDS)

    # --- beginning and end

    def begin(self) -> None:
        """Start everything; what is not there in time is a TimeoutError that says where the logs are."""
        self._vouch()
        self._install("cp", self.addresses.control_plane, control_plane.services(self.addresses), control_plane.files())
        for number, name in enumerate(NODES, 1):
            files = node.files(name, number, self.addresses, self.place.name)
            self._install(name, self.addresses.node(number), node.services(name, number, self.addresses), files)
            stores.give(self.store, self.machines[name].disk)
        for machine in self.machines.values():
            machine.boot()
        for number, _ in enumerate(NODES, 1):
            # Tests talk to pods directly, and pods to what a test serves at the bridge.
            run("ip", "route", "add", str(self.addresses.pods(number)), "via", str(self.addresses.node(number)))
        self._await_all()

    def _vouch(self) -> None:
        self.authority.begin()
        service = ["kubernetes", "default", "svc", "cluster", "local"]
        names = [".".join(service[:count]) for count in (1, 2, 3, 5)]
        addresses = ["127.0.0.1", str(self.addresses.control_plane), str(self.addresses.services[1])]
        self.authority.certificate("apiserver", "kube-apiserver", hosts=[*addresses, "localhost", *names])
        self.authority.certificate("kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
        self.authority.certificate("front-proxy", "front-proxy")
        for file, name, group in _CLIENTS:
            self.authority.kubeconfig(file, self.server, name, group)
        for number, name in enumerate(NODES, 1):
            hosts = [name, str(self.addresses.node(number))]
            self.authority.kubeconfig(name, self.server, f"system:node:{name}", "system:nodes", hosts)

    def _install(self, name: str, address: Any, services: str, files: dict[str, str]) -> None:
        routes = [(self.addresses.pods(number), self.addresses.node(number)) for number, other in enumerate(NODES, 1) if other != name]
        # A node's own programs find services as its pods do, by kube-proxy; this lets them get so far.
        routes.append((self.addresses.services, self.addresses.host))
        folder = self.place.folder
        machine = Machine(name, self.place.name, folder, self.programs, self.store / "layers", address, 24, routes)
        pki = {f"{_PKI}/{path.name}": path.read_text() for path in (folder / "pki").iterdir()}
        machine.install(services, {**files, **pki})
        self.machines[name] = machine

    def _await_all(self) -> None:
        wait_for(lambda: self._answers("/readyz"), f"the API server (see {self.place.folder}/cp)", _START_SECONDS)
        wait_for(lambda: self._answers("/api/v1/namespaces/default/serviceaccounts/default"), "the first service account", _START_SECONDS)
        text = "\n---\n".join(path.read_text() for path in sorted(MANIFESTS.glob("*.yaml")))
        self.kubectl("apply", "-f", "-", text=Template(text).substitute(dns=self.addresses.dns, host=HOST, door=self.door))
        wait_for(lambda: self.ready() == set(NODES), f"the nodes (see {self.place.folder})", _START_SECONDS)
        self.start_servers_on(NODES[0])
        for namespace, name in (("kube-system", "coredns"), ("local-path-storage", "local-path")):
            path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
            wait_for(partial(self._is, path, "Available"), name, _START_SECONDS, every=0.1)

    def _answers(self, path: str) -> bool:
        for machine in self.machines.values():
            machine.on()
        with suppress(httpx.TransportError):
            return self._exists(path)
        return False

    def end(self) -> None:
        """Switch everything off and take it away."""
        if "api" in vars(self):
            self.api.close()
        for machine in self.machines.values():
            machine.power_cut()
        self.place.leave()


def condition(item: Mapping[str, Any], kind: str) -> bool:
    """Tell whether an object's condition of a kind is True."""
    return any(found["type"] == kind and found["status"] == "True" for found in item.get("status", {}).get("conditions", ()))


@contextmanager
def start() -> Iterator[Cluster]:
    """Give a cluster of two Ready nodes while the block runs; ClusterMissing where this machine cannot."""
    require_machines()
    built = programs()
    store = stores.kept_store([*images.kept_images(built), *map(platform_images.below, platform_images.PARTS)])
    with ExitStack() as last:
        running = Cluster(place.claim(cache() / "run"), built, store)
        last.callback(running.end)
        # Also where the block is left by an exit that unwinds nothing.
        atexit.register(last.close)
        last.callback(atexit.unregister, last.close)
        running.begin()
        yield running
