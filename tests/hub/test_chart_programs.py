"""The programs that the chart runs beside the hub, against an API server that keeps what it is told."""

import base64
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from bowerbird_config.paths import Var
from bowerbird_hub.chart import await_images, stop_pods, upgrade_database
from bowerbird_hub.chart.kube_api import KubeApi, Refused
from bowerbird_hub.chart.make_secrets import KEYS, make_secrets
from bowerbird_hub.identity.database import DATABASE, file_address, given_address
from jupyterhub import dbutil, orm
from sqlalchemy import create_engine, inspect, text

from tests.hub.runtime_contract import until
from tests.support.postgres import needs_postgres, postgres
from tests.support.processes import began, children, command

PLACE = "/api/v1/namespaces/science/secrets"
# What a path holds that its asker may not read.
FORBIDDEN = "forbidden"


class _Server(ThreadingHTTPServer):
    """Holds objects by their paths; a list of them is what it answers one after the other."""

    objects: dict[str, Any]
    # How many requests it takes from now on, and then the statuses that it answers instead; with 0 it hangs up.
    stumbles: tuple[int, list[int]]


class _Handler(BaseHTTPRequestHandler):
    """Answers as Kubernetes does: one object a path, a version that grows, 409 for what is there, 401 for a wrong token."""

    server: _Server

    def log_message(self, *_arguments):
        pass

    def _send(self, status, body):
        text = json.dumps(body if status < 400 else {"kind": "Status", "message": body}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _stumbles(self):
        left, statuses = self.server.stumbles
        self.server.stumbles = (max(0, left - 1), statuses)
        if left or not statuses:
            return False
        if status := statuses.pop(0):
            self._send(status, "etcdserver: no leader")
        return True

    def _known(self):
        if self._stumbles():
            return False
        if self.headers["Authorization"] == "Bearer good":
            return True
        self._send(401, "Unauthorized")
        return False

    def do_GET(self):
        if self._known():
            found = self.server.objects.get(self.path)
            if found is None:
                self._send(404, "not found")
            elif found == FORBIDDEN:
                self._send(403, FORBIDDEN)
            else:
                self._send(200, found.pop(0) if isinstance(found, list) else found)

    def do_POST(self):
        if not self._known():
            return
        body = self._body()
        path = f"{self.path}/{body['metadata']['name']}"
        if path in self.server.objects:
            self._send(409, "already exists")
        else:
            body["metadata"]["resourceVersion"] = "1"
            self.server.objects[path] = body
            self._send(201, body)

    def do_PATCH(self):
        if not self._known():
            return
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        found, body = self.server.objects[self.path], self._body()
        if body["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            self._send(409, "the object has been modified")
            return
        found["data"] = {**(found.get("data") or {}), **body["data"]}
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
        self._send(200, found)

    def do_DELETE(self):
        if self._known():
            found = self.server.objects.pop(self.path, None)
            self._send(404 if found is None else 200, "not found" if found is None else {"kind": "Status"})


@pytest.fixture
def server():
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.objects, server.stumbles = {}, (0, [])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def api(server):
    return KubeApi(f"http://127.0.0.1:{server.server_port}", "good")


def _secrets(server):
    return {key: base64.b64decode(value).decode() for key, value in server.objects[f"{PLACE}/bowerbird-secrets"]["data"].items()}


def test_all_secrets_are_made_at_the_first_install(api, server):
    assert make_secrets(api, "science", "bowerbird-secrets") == KEYS
    made = _secrets(server)
    assert set(made) == set(KEYS)
    assert len(set(made.values())) == len(KEYS)
    # JupyterHub reads the one as hexadecimal of 32 bytes.
    assert len(bytes.fromhex(made["crypt-key"])) == 32


def test_an_upgrade_changes_no_secret(api, server):
    make_secrets(api, "science", "bowerbird-secrets")
    before = _secrets(server)
    assert make_secrets(api, "science", "bowerbird-secrets") == ()
    assert _secrets(server) == before


def test_a_secret_that_a_newer_chart_asks_for_is_added_and_the_others_stay(api, server):
    make_secrets(api, "science", "bowerbird-secrets")
    before = _secrets(server)
    del server.objects[f"{PLACE}/bowerbird-secrets"]["data"]["culler-token"]
    assert make_secrets(api, "science", "bowerbird-secrets") == ("culler-token",)
    after = _secrets(server)
    assert {key: value for key, value in after.items() if key != "culler-token"} == {k: v for k, v in before.items() if k != "culler-token"}
    assert after["culler-token"]


def test_a_refusal_is_told_in_the_words_of_kubernetes_and_without_a_secret(server):
    stranger = KubeApi(f"http://127.0.0.1:{server.server_port}", "bad")
    with pytest.raises(Refused, match=r"^Unauthorized$"):
        make_secrets(stranger, "science", "bowerbird-secrets")
    assert server.objects == {}


def test_a_pod_finds_its_api_server(tmp_path):
    (tmp_path / "token").write_text("good\n")
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(FileNotFoundError):
        KubeApi.of_this_pod(environment, tmp_path)


def _daemon_set(wanted, ready, observed=1, generation=1):
    return {
        "metadata": {"generation": generation},
        "spec": {"selector": {"matchLabels": {"app.kubernetes.io/instance": "sky", "app.kubernetes.io/component": "pre-pull"}}},
        "status": {"desiredNumberScheduled": wanted, "numberReady": ready, "observedGeneration": observed},
    }


def test_an_upgrade_waits_until_all_nodes_have_all_images(api, server):
    path = "/apis/apps/v1/namespaces/science/daemonsets/pre-pull"
    server.objects[path] = [_daemon_set(0, 0, observed=0), _daemon_set(2, 0), _daemon_set(2, 1), _daemon_set(2, 2)]
    waits: list[float] = []
    assert await_images.await_images(api, "science", "pre-pull", 60, waits.append) == 2
    assert len(waits) == 3


def _pulling(node, *states):
    images = [{"image": f"sky/{number}", "state": state} for number, state in enumerate(states)]
    return {"spec": {"nodeName": node}, "status": {"initContainerStatuses": images}}


@pytest.mark.parametrize(
    ("waiting", "told"),
    [
        ({"reason": "ErrImagePull", "message": "no such tag"}, "node2 has no sky/1 (no such tag)"),
        ({"reason": "ErrImageNeverPull"}, "node2 has no sky/1 (ErrImageNeverPull)"),
        ({"reason": "PodInitializing"}, "the others pull them still, or take no pod; prePull.timeoutSeconds gives them longer"),
    ],
)
def test_an_image_that_cannot_be_pulled_is_told(api, server, waiting, told):
    server.objects["/apis/apps/v1/namespaces/science/daemonsets/pre-pull"] = _daemon_set(3, 1)
    pods = [_pulling("node1", {"terminated": {}}), _pulling("node2", {"terminated": {}}, {"waiting": waiting}), {"status": {}}]
    server.objects[_listed("science", "pre-pull")] = {"items": pods}
    with pytest.raises(await_images.NotPulled, match=re.escape(f"after 0 s 1 of 3 nodes have all images: {told}") + "$"):
        await_images.await_images(api, "science", "pre-pull", 0, lambda _: None)


INSTALL = stop_pods.Install("sky", "science", "servers", "sky-hub", "sky-services")
DEPLOYMENTS = "/apis/apps/v1/namespaces/science/deployments"
SERVERS = "/api/v1/namespaces/servers/pods"


def _listed(namespace, component):
    selector = f"app.kubernetes.io/instance=sky,app.kubernetes.io/component={component}"
    return f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}"


def _pods(namespace, *names):
    return {"items": [{"metadata": {"namespace": namespace, "name": name}, "spec": {"nodeName": "node1"}} for name in names]}


@pytest.fixture
def installed(server):
    """An install with a hub, services and two servers, of which one takes longer to end."""
    server.objects |= {f"{DEPLOYMENTS}/sky-{name}": {} for name in ("hub", "services", "proxy")}
    server.objects |= {f"{SERVERS}/{name}": {} for name in ("ann", "bob", "another")}
    none = _pods("science")
    server.objects[_listed("science", "hub")] = [_pods("science", "hub"), none]
    server.objects[_listed("science", "services")] = [_pods("science", "services"), none]
    server.objects[_listed("servers", "singleuser-server")] = [_pods("servers", "ann", "bob"), _pods("servers", "bob"), none]
    return server.objects


def test_what_has_a_volume_ends_before_an_uninstall_and_nothing_else_does(api, installed):
    waits: list[float] = []
    assert stop_pods.stop_pods(api, INSTALL, 60, waits.append) == 2
    assert len(waits) == 3
    assert {path for path in installed if "?" not in path} == {f"{DEPLOYMENTS}/sky-proxy", f"{SERVERS}/another"}
    assert [path for path, answers in installed.items() if "?" in path and answers] == []


@pytest.mark.parametrize("asked_before", [0, 1, 3, 4, 6])
def test_an_uninstall_goes_on_when_the_cluster_answers_again(api, server, installed, asked_before):
    server.stumbles = (asked_before, [0, 429, 503])
    assert stop_pods.stop_pods(api, INSTALL, 60, lambda _: None) == 2
    assert {path for path in installed if "?" not in path} == {f"{DEPLOYMENTS}/sky-proxy", f"{SERVERS}/another"}


def test_a_cluster_that_does_not_answer_in_time_is_told(api, server, installed):
    server.stumbles = (1, [503])
    with pytest.raises(
        stop_pods.NotStopped, match=r"^the cluster does not answer \(etcdserver: no leader\): uninstall again when it does$"
    ):
        stop_pods.stop_pods(api, INSTALL, 0, lambda _: None)


def test_no_server_is_ended_while_a_hub_could_start_it_again(api, installed):
    installed[_listed("science", "hub")] = _pods("science", "hub")
    sentence = "pod science/hub on node node1 did not end in time: where a node is lost, delete its pods by force; then uninstall again"
    with pytest.raises(stop_pods.NotStopped, match=sentence):
        stop_pods.stop_pods(api, INSTALL, 0, lambda _: None)
    assert f"{SERVERS}/ann" in installed


def test_an_install_that_did_not_get_so_far_has_nothing_to_stop(api, server):
    none = _pods("science")
    server.objects |= {_listed("science", "hub"): none, _listed("science", "services"): none}
    server.objects[_listed("servers", "singleuser-server")] = FORBIDDEN
    assert stop_pods.stop_pods(api, INSTALL, 60, lambda _: None) == 0
    server.objects[f"{DEPLOYMENTS}/sky-hub"] = {}
    with pytest.raises(Refused, match=FORBIDDEN):
        stop_pods.stop_pods(api, INSTALL, 60, lambda _: None)


def make_database(engine):
    """Make the tables of JupyterHub, and a user."""
    orm.Base.metadata.create_all(engine)
    orm.check_db_revision(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO users (name, cookie_id) VALUES ('ann', 'x')"))


@pytest.fixture
def var(tmp_path):
    """A hub's directory with a database as JupyterHub makes it."""
    var = Var(tmp_path)
    var.hub.mkdir()
    engine = create_engine(file_address(var))
    make_database(engine)
    engine.dispose()
    return var


def _names(file):
    with closing(sqlite3.connect(file)) as database:
        return [name for (name,) in database.execute("SELECT name FROM users")]


def test_a_copy_is_made_before_an_upgrade_and_the_oldest_goes(var):
    for revision in range(2, 6):
        upgrade_database.back_up(var, revision, kept=2)
    copies = sorted((var.hub / "backups").iterdir())
    assert [copy.name for copy in copies] == ["hub-before-000004.sqlite", "hub-before-000005.sqlite"]
    assert _names(copies[0]) == ["ann"]


def test_no_copy_is_made_where_none_is_wanted_or_nothing_is_there(var, tmp_path):
    assert upgrade_database.back_up(var, 2, kept=0) is None
    assert upgrade_database.back_up(Var(tmp_path / "empty"), 2, kept=3) is None
    upgrade_database.upgrade(Var(tmp_path / "empty"), None)
    assert not (tmp_path / "empty").exists()


@pytest.fixture(scope="module")
def server_of_databases():
    """A PostgreSQL, by the address that an administrator gives."""
    with postgres("hub") as address:
        yield address


def run_job(directory, environment):
    """Run the chart's job before an upgrade as its pod does."""
    told = ("--directory", str(directory), "--backups", "1", "--revision", "2")
    argv = (sys.executable, "-I", "-m", "bowerbird_hub.chart.upgrade_database", *told)
    # The programs of its image are in its PATH: JupyterHub starts one of them by name.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(argv, env=os.environ | environment | {"PATH": path}, capture_output=True, text=True, check=False)


@pytest.fixture(params=["file", pytest.param("postgresql", marks=[needs_postgres, pytest.mark.root])])
def earlier(request, tmp_path):
    """The program's environment and an engine, for a database as the JupyterHub of before made it, in which ann is."""
    var = Var(tmp_path)
    var.hub.mkdir()
    environment = {DATABASE: request.getfixturevalue("server_of_databases")} if request.param == "postgresql" else {}
    engine = create_engine(given_address(environment) or file_address(var))
    make_database(engine)
    with dbutil._temp_alembic_ini(engine.url.render_as_string(hide_password=False)) as told:
        subprocess.run([sys.executable, "-m", "alembic", "-c", told, "downgrade", "-1"], check=True, capture_output=True)
    yield environment, engine
    orm.Base.metadata.drop_all(engine)
    engine.dispose()


def test_a_database_of_before_is_brought_up_to_date_by_the_job_of_the_chart(earlier, tmp_path):
    environment, engine = earlier
    with pytest.raises(orm.DatabaseSchemaMismatch):
        orm.check_db_revision(engine)
    ended = run_job(tmp_path, environment)
    assert ended.returncode == 0, ended.stderr
    assert "the database is not ours" in ended.stderr if environment else "the database is copied to" in ended.stderr
    orm.check_db_revision(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT name FROM users")).all() == [("ann",)]
        assert connection.execute(text("SELECT display_name FROM spawners")).all() == []


@pytest.mark.root
@needs_postgres
def test_an_empty_postgresql_is_left_to_the_hub(server_of_databases, tmp_path):
    environment = {DATABASE: server_of_databases}
    ended = run_job(tmp_path, environment)
    assert ended.returncode == 0, ended.stderr
    engine = create_engine(given_address(environment) or "")
    assert inspect(engine).get_table_names() in ([], ["alembic_version"])
    engine.dispose()


@pytest.mark.parametrize(
    "address",
    [
        "mysql://hub:very-secret@db/hub",
        "postgresql+psycopg2://hub:very-secret@db/hub",
        "very-secret",
        "postgresql://hub:very-secret@db:five/hub",
    ],
)
def test_an_address_of_no_postgresql_is_refused_and_its_password_told_to_nobody(address, tmp_path):
    ended = run_job(tmp_path, {DATABASE: address})
    assert (ended.returncode, "very-secret" in ended.stderr) == (1, False)
    assert ended.stderr.startswith(
        "the database is not upgraded: BOWERBIRD_DATABASE_URL is not the address of a PostgreSQL database; write it like"
    )


PLATFORM = """\
bowerbird: 1
name: Test
contact: help@example.org
sign_on: {cas: {url: "https://cas.example.org/cas"}}
profiles: {minimal: {title: Minimal, memory: 1 GiB, cpu: 1, teams: everyone}}
runtime: {kind: kubernetes}
"""


CULL = [sys.executable, "-m", "bowerbird_hub.chart.cull", "--platform"]


@contextmanager
def _cull(file, limits):
    """Run the culler's program beside a hub that has no servers; gives what tells the culler that it keeps, by process and command line."""
    file.write_text(PLATFORM + limits)
    environment = {**os.environ, "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api", "JUPYTERHUB_API_TOKEN": "t"}
    with file.with_name("log").open("w") as log, subprocess.Popen([*CULL, str(file)], env=environment, stderr=log) as program:
        try:
            yield lambda: _cullers(program.pid)
        finally:
            program.terminate()
        assert program.wait(10) == 0


def _cullers(pid):
    kept = [((child, began(child)), command(child)) for child in children(pid)]
    return [(process, options) for process, options in kept if "jupyterhub_idle_culler" in options]


def _says(file, times):
    return file.with_name("log").read_text().count("stays as it is: ") == times


def _timeouts(cullers):
    return [options[-2] for _, options in cullers]


def test_the_culler_has_the_limit_of_the_platform_file_as_it_is_edited(tmp_path):
    file = tmp_path / "platform.yaml"
    with _cull(file, "limits: {idle: 30 min}\n") as cullers:
        until(lambda: [options[-2:] for _, options in cullers()] == [("--timeout=1800", "--cull-every=300")])
        file.write_text(PLATFORM + "limits: {idle: 4 s}\n")
        until(lambda: [options[-2:] for _, options in cullers()] == [("--timeout=4", "--cull-every=2")])
        file.write_text(PLATFORM + "limits: {idle: never}\n")
        until(lambda: cullers() == [])
        file.write_text(PLATFORM + "limits: {idle: 5 s}\n")
        until(lambda: _timeouts(cullers()) == ["--timeout=5"])


def test_the_culler_has_the_limit_of_a_file_that_the_platform_file_includes(tmp_path):
    limits = tmp_path / "limits.yaml"
    limits.write_text("limits: {idle: 30 min}\n")
    with _cull(tmp_path / "platform.yaml", "include: [limits.yaml]\n") as cullers:
        until(lambda: _timeouts(cullers()) == ["--timeout=1800"])
        limits.write_text("limits: {idle: 5 s}\n")
        until(lambda: _timeouts(cullers()) == ["--timeout=5"])


def test_a_broken_edit_leaves_the_culler_its_limit(tmp_path):
    file = tmp_path / "platform.yaml"
    with _cull(file, "limits: {idle: 30 min}\n") as cullers:
        (before,) = until(cullers)
        for told, idle in enumerate(("30", "thirty"), start=1):
            file.write_text(PLATFORM + f"limits: {{idle: '{idle}'}}\n")
            until(partial(_says, file, told))
        # Whatever the first of them does was done before the second was looked at.
        assert cullers() == [before]


def test_a_broken_platform_file_ends_the_culler_with_its_sentence(tmp_path):
    file = tmp_path / "platform.yaml"
    file.write_text(PLATFORM + "limits: {idle: '30'}\n")
    ended = subprocess.run([*CULL, str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert "platform.yaml:7: limits.idle: '30' is not a quantity" in ended.stderr
