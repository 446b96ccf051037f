"""Containers of the chart as processes of this machine: the command line, the environment and the mounts that Helm rendered.

What an image would hold is this checkout with the tests' own environment; what a kubelet would add is added here. Names of
Services lead to this machine.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from bowerbird_config.install import Install
from bowerbird_hub.runtimes.sandbox import Bind, Sandbox, argv

from tests.support.charts import ROOT, Manifest, containers, named
from tests.support.processes import children

UID = 10_001
_IMAGE = PurePosixPath("/opt/bowerbird")
_ACCOUNT = PurePosixPath("/var/run/secrets/kubernetes.io/serviceaccount")
_MEMBERS = ("config", "extensions", "hub", "services")
_END_SECONDS = 20


@dataclass
class ChartPods:
    """A release, rendered, and what runs of it. `directory` holds volumes and logs, `secrets` the platform's Secret."""

    objects: list[Manifest]
    directory: Path
    secrets: Mapping[str, str]
    # The API server: host, port, certificate and token, as a pod finds them.
    api: tuple[str, int, Path, str] | None = None
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def template(self, deployment: str) -> Manifest:
        template: Manifest = named(self.objects, "Deployment", deployment)["spec"]["template"]
        return template

    def volume(self, deployment: str, name: str) -> Path:
        """Return where a volume of a deployment lies; one and the same for all its containers."""
        place = self.directory / "volumes" / deployment / name
        if not place.exists():
            (volume,) = (each for each in self.template(deployment)["spec"]["volumes"] if each["name"] == name)
            place.mkdir(parents=True)
            if "configMap" in volume:
                for file, text in named(self.objects, "ConfigMap", volume["configMap"]["name"])["data"].items():
                    (place / file).write_text(text)
            else:
                os.chown(place, UID, UID)
        return place

    def log(self, container: str) -> str:
        return (self.directory / f"{container}.log").read_text()

    def start(self, deployment: str, container: str) -> None:
        """Start a container as its kubelet would."""
        template = self.template(deployment)
        (told,) = (each for each in containers(template) if each["name"] == container)
        sandbox = Sandbox(
            command=self._command(told["command"]),
            uid=UID,
            gid=UID,
            binds=(*self._image(), *self._kubelets(), *self._mounts(deployment, told)),
            directory=PurePosixPath(told.get("workingDir", "/")),
            hostname=deployment,
        )
        with (self.directory / f"{container}.log").open("ab") as log:
            self.running[container] = subprocess.Popen(
                argv(sandbox), env=self._environment(told), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, container: str, signum: int = signal.SIGKILL) -> None:
        """End a container as a crash does, or by another signal to its program."""
        process = self.running.pop(container)
        pid = process.pid
        # A sandbox that is signalled kills what is in it.
        while signum != signal.SIGKILL and (below := children(pid)):
            pid = below[0]
        os.kill(pid, signum)
        process.wait(_END_SECONDS)

    def end_all(self) -> None:
        for container in tuple(self.running):
            self.end(container)

    def until(self, holds: Callable[[], Any], seconds: float = 60) -> Any:
        """Return the first true answer; AssertionError with the logs where there is none in time, or a container has ended."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            found = holds()
            if found:
                return found
            ended = [name for name, process in self.running.items() if process.poll() is not None]
            assert not ended, f"{ended} ended:\n{self.log(ended[0])}"
            time.sleep(0.05)
        raise AssertionError("\n".join(f"--- {name}\n{self.log(name)[-6000:]}" for name in self.running))

    # -- what an image and a kubelet add ---------------------------------------------------------------------------

    @staticmethod
    def _command(told: Iterable[str]) -> tuple[str, ...]:
        programs = Path(Install(ROOT).environment("test")) / "bin"
        first, *rest = told
        install = Install(ROOT)
        own = {"configurable-http-proxy": install.proxy_command, "python3": (str(programs / "python3"),)}
        return (*own.get(first, (str(programs / first),)), *rest)

    @staticmethod
    def _image() -> Iterable[Bind]:
        yield Bind.same(Install(ROOT).environment("test"))
        yield Bind.same(Install(ROOT).base / "node")
        yield from (Bind.same(ROOT / member) for member in _MEMBERS)
        yield Bind(ROOT / "hub", _IMAGE / "hub")
        yield Bind(ROOT / "hub/bowerbird_hub/pages/bowerbird.css", _IMAGE / "bowerbird.css")

    def _kubelets(self) -> Iterable[Bind]:
        hosts = self.directory / "hosts"
        names = (f"{each['metadata']['name']}.{each['metadata']['namespace']}" for each in self.objects if each["kind"] == "Service")
        hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", *names)))
        yield Bind(hosts, PurePosixPath("/etc/hosts"))
        if self.api is not None:
            account = self.directory / "account"
            account.mkdir(exist_ok=True)
            (account / "ca.crt").write_bytes(self.api[2].read_bytes())
            (account / "token").write_text(self.api[3])
            yield Bind(account, _ACCOUNT)

    def _mounts(self, deployment: str, told: Manifest) -> Iterable[Bind]:
        for mount in told["volumeMounts"]:
            source = self.volume(deployment, mount["name"]) / mount.get("subPath", "")
            if not source.exists():
                source.mkdir()
                os.chown(source, UID, UID)
            target = PurePosixPath(mount["mountPath"])
            if str(target) != "/tmp":
                yield Bind(source, target, writable=not mount.get("readOnly", False))

    def _environment(self, told: Manifest) -> dict[str, str]:
        found = {each["name"]: self._value(each) for each in told.get("env", [])}
        if self.api is not None:
            found |= {"KUBERNETES_SERVICE_HOST": self.api[0], "KUBERNETES_SERVICE_PORT": str(self.api[1])}
        return {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **found}

    def _value(self, variable: Manifest) -> str:
        if "value" in variable:
            return str(variable["value"])
        return self.secrets[variable["valueFrom"]["secretKeyRef"]["key"]]
