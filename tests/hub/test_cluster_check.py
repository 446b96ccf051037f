"""`bowerbird check --cluster` against an API server over HTTP: what a k3s lacks, what cannot be told, and who does not answer."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import pytest_asyncio
from bowerbird_config.cli import cli
from bowerbird_hub.cluster_check.cluster import api_of
from bowerbird_hub.cluster_check.nodes import amount
from click.testing import CliRunner

from tests.support.checked_clusters import ENFORCE, EXAMPLES, INGRESS, LEASES, OURS, PULL, STORAGE, check, k3s_cluster, node, said, secret


@pytest_asyncio.fixture
async def k3s():
    async with k3s_cluster() as cluster:
        yield cluster


@pytest.mark.asyncio
async def test_a_k3s_as_the_docs_make_it_lacks_nothing(k3s, tmp_path):
    result = await check(k3s, tmp_path)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "the cluster lacks nothing\n", "")


@pytest.mark.asyncio
async def test_a_release_that_is_there_is_no_obstacle_to_its_own_upgrade(k3s, tmp_path):
    k3s.put(f"{STORAGE}/csidrivers/bowerbird.csi.bowerbird", annotations=OURS)
    for name, level in (("bowerbird-users", "restricted"), ("bowerbird-data", "privileged")):
        k3s.put(f"/api/v1/namespaces/{name}", annotations=OURS, labels={ENFORCE: level})
    assert (await check(k3s, tmp_path)).exit_code == 0


def _version(cluster):
    cluster.objects["/version"] = {"gitVersion": "v1.29.9+k3s1"}


def _no_class(cluster):
    del cluster.objects[f"{STORAGE}/storageclasses/local-path"]


def _no_ingress(cluster):
    del cluster.objects[f"{INGRESS}/traefik"]


def _another_ingress(cluster):
    _no_ingress(cluster)
    cluster.put(f"{INGRESS}/nginx")


def _no_policy(cluster):
    path = "/api/v1/nodes/server"
    cluster.objects[path]["metadata"]["annotations"] = {"k3s.io/node-args": json.dumps(["server", "--disable-network-policy"])}


def _flannel(cluster):
    cluster.objects["/version"] = {"gitVersion": "v1.34.4"}
    cluster.put("/apis/apps/v1/namespaces/kube-flannel/daemonsets/kube-flannel-ds")


def _node_behind(cluster):
    cluster.objects[f"{LEASES}/server"]["spec"]["renewTime"] = f"{cluster.now - timedelta(minutes=10):%Y-%m-%dT%H:%M:%S.%fZ}"


def _restricted_data(cluster):
    cluster.put("/api/v1/namespaces/bowerbird-data", annotations=OURS, labels={ENFORCE: "restricted"})
    cluster.objects["/api/v1/namespaces/bowerbird-data"]["metadata"]["annotations"] = {}


def _no_tls(cluster):
    del cluster.objects["/api/v1/namespaces/bowerbird/secrets/bowerbird-tls"]


def _no_key(cluster):
    del cluster.objects["/api/v1/namespaces/bowerbird/secrets/bowerbird-tls"]["data"]["tls.key"]


def _taken(cluster):
    cluster.put(f"{STORAGE}/csidrivers/bowerbird.csi.bowerbird", annotations={**OURS, "meta.helm.sh/release-name": "other"})


def _small(cluster):
    node(cluster, "server", cpu="2", memory="5000Mi")


def _tiny(cluster):
    node(cluster, "server", cpu="2", memory="900Mi")


def _tainted(cluster):
    node(cluster, "server", taints=({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},))


def _rights(cluster):
    cluster.denied |= {("create", "clusterroles"), ("create", "clusterrolebindings")}


def _hand_on(cluster):
    cluster.denied |= {("create", "tokenreviews"), ("escalate", "clusterroles")}


_OPEN = "user pods then reach all that the NetworkPolicies of the chart close: each other, and where a cloud tells its machines secrets"
_NTP = "let both ask an NTP server: tokens are refused and releases open at other times where clocks differ"
_LARGER = "make the profile smaller, or add a larger node"
_INSTALL = "install as somebody who may, such as one with the ClusterRole cluster-admin"

LACKS = {
    "an old Kubernetes": (_version, ["the cluster is Kubernetes v1.29.9+k3s1, and the chart takes 1.32 and newer; upgrade the cluster"]),
    "no default storage class": (
        _no_class,
        [
            f"the cluster has no default storage class, so claim 'bowerbird-{part}' would wait for ever;"
            f" name one as {part}.volume.storageClass; there: none"
            for part in ("hub", "services")
        ],
    ),
    "no ingress class": (
        _no_ingress,
        [
            "the cluster has no ingress class, so nothing would lead to the platform; install an Ingress controller,"
            " or write ingress.enabled: false and lead to the proxy by other means"
        ],
    ),
    "another ingress class": (
        _another_ingress,
        ["the cluster has no ingress class 'traefik', which ingress.className names; there: 'nginx'"],
    ),
    "k3s without its NetworkPolicies": (
        _no_policy,
        [
            f"NetworkPolicies do not hold: k3s on 'server' was started with --disable-network-policy; {_OPEN};"
            " start k3s without --disable-network-policy"
        ],
    ),
    "flannel alone": (
        _flannel,
        [
            f"NetworkPolicies do not hold: the cluster's network is 'kube-flannel-ds', which enforces none; {_OPEN};"
            " let one that enforces be installed, such as Calico or Cilium"
        ],
    ),
    "a namespace of somebody else": (
        _restricted_data,
        [
            "namespace 'bowerbird-data' is there already and not of this release, so Helm would refuse the install;"
            " write data.createNamespace: false, or another name as data.namespace"
        ],
    ),
    "no certificate": (
        _no_tls,
        [
            "Secret 'bowerbird-tls', which ingress.tls.secretName names, is not in namespace 'bowerbird';"
            " make it there, with keys 'tls.crt', 'tls.key'"
        ],
    ),
    "a certificate without its key": (
        _no_key,
        ["Secret 'bowerbird-tls' in namespace 'bowerbird', which ingress.tls.secretName names, has no key 'tls.key'; add it"],
    ),
    "a driver of another install": (
        _taken,
        [
            "the CSI driver 'bowerbird.csi.bowerbird' is there already and belongs to release 'other';"
            " install under another release name or into another namespace"
        ],
    ),
    "a node that is smaller than a profile": (
        _small,
        [
            "profile 'eso' promises 4 cores and 8 GiB, which no node has: of the 1 that may run it none has more than"
            f" 2 cores and 5000 MiB for pods; {_LARGER}"
        ],
    ),
    "a node on which nothing fits": (
        _tiny,
        [
            "no node is large enough for profile 'minimal', for which 0.1 cores and 1 GiB are kept free: of the 1 that may run it"
            f" none has more than 2 cores and 900 MiB for pods; {_LARGER}",
            "no node is large enough for profile 'eso', for which 0.4 cores and 4 GiB are kept free: of the 1 that may run it"
            f" none has more than 2 cores and 900 MiB for pods; {_LARGER}",
        ],
    ),
    "nodes that keep pods off": (
        _tainted,
        [
            f"no node may run profile '{profile}': the taints node-role.kubernetes.io/control-plane:NoSchedule keep its pods off;"
            " add a node, or a toleration to users.tolerations"
            for profile in ("minimal", "eso")
        ],
    ),
    "no right in the cluster": (
        _rights,
        [
            "you may not create clusterrolebindings.rbac.authorization.k8s.io, clusterroles.rbac.authorization.k8s.io"
            f" in the whole cluster; {_INSTALL}"
        ],
    ),
    "no right to give rights": (
        _hand_on,
        [
            "you may not give the right to create tokenreviews.authentication.k8s.io in the whole cluster,"
            f" which you do not have yourself; {_INSTALL}"
        ],
    ),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", LACKS)
async def test_what_a_cluster_lacks_gets_its_sentence(name, k3s, tmp_path):
    spoil, sentences = LACKS[name]
    spoil(k3s)
    assert await said(k3s, tmp_path) == sentences


@pytest.mark.asyncio
async def test_a_node_whose_clock_is_behind_is_told(k3s, tmp_path):
    _node_behind(k3s)
    (sentence,) = await said(k3s, tmp_path)
    assert sentence in {f"the clock of node 'server' is {seconds} s behind the API server's; {_NTP}" for seconds in range(599, 660)}


@pytest.mark.asyncio
async def test_a_clock_that_differs_is_told(k3s, tmp_path):
    k3s.ahead = timedelta(minutes=5)
    node(k3s, "server")
    (sentence,) = await said(k3s, tmp_path)
    assert sentence in {f"the API server's clock is {seconds} s ahead of this machine's; {_NTP}" for seconds in range(298, 302)}


@pytest.mark.asyncio
async def test_a_secret_for_a_namespace_that_the_chart_makes_needs_it_made_before(k3s, tmp_path):
    (tmp_path / "more.yaml").write_text("images: {pullSecrets: [registry]}\n")
    secret(k3s, "bowerbird", "registry", PULL)
    result = await check(k3s, tmp_path, "one-node", "-f", str(tmp_path / "more.yaml"))
    assert result.stderr.splitlines() == [
        f"Secret 'registry', which images.pullSecrets names, is not in namespace 'bowerbird-{part}';"
        f" make that namespace yourself with the Secret in it, and write {part}.createNamespace: false"
        for part in ("users", "data")
    ]


@pytest.mark.asyncio
async def test_what_cannot_be_told_is_said_and_is_no_lack(k3s, tmp_path):
    k3s.objects["/version"] = {"gitVersion": "v1.34.4"}
    node(k3s, "second")
    k3s.forbidden |= {"/api/v1/namespaces/bowerbird/secrets/bowerbird-tls", f"{STORAGE}/csidrivers"}
    result = await check(k3s, tmp_path)
    assert (result.exit_code, result.stdout) == (0, "the cluster lacks nothing that could be told\n")
    after = "ask somebody who may, or look at it after the roll-out"
    assert result.stderr.splitlines() == [
        f"not known: you may not read CSI drivers; {after}",
        f"not known: you may not read Secret 'bowerbird-tls' in namespace 'bowerbird', which ingress.tls.secretName names; {after}",
        "not known: whether /srv/bowerbird is the same file system on all nodes: user pods may run on 2 nodes, each of which has a"
        " directory of that name; mount it on each of them, or name a claim of storage that gives ReadWriteMany,"
        " such as NFS, CephFS or Longhorn, as data.storage.existingClaim",
        "not known: whether NetworkPolicies hold: no DaemonSet of a network that is known to enforce them is seen;"
        f" ask who made the cluster; {_OPEN}",
    ]


@pytest.mark.asyncio
async def test_somebody_who_may_read_nothing_is_told_what(k3s, tmp_path):
    k3s.forbidden |= {"/api/v1/nodes", LEASES, f"{STORAGE}/storageclasses", INGRESS, "/apis/apps/v1/daemonsets"}
    k3s.forbidden |= {f"/api/v1/namespaces/{name}" for name in ("bowerbird-users", "bowerbird-data")}
    result = await check(k3s, tmp_path)
    assert result.exit_code == 0
    told = [line.partition(";")[0].removeprefix("not known: ") for line in result.stderr.splitlines()]
    assert told == [
        "you may not read namespace 'bowerbird-users'",
        "you may not read namespace 'bowerbird-data'",
        "you may not read ingress classes",
        "you may not read storage classes",
        "whether NetworkPolicies hold, since you may not read DaemonSets or nodes",
        "you may not read the leases of nodes, so how late it is on them",
        "you may not read nodes, so whether a profile fits on one",
    ]


@pytest.mark.asyncio
async def test_as_json_each_lack_is_in_parts(k3s, tmp_path):
    _another_ingress(k3s)
    result = await check(k3s, tmp_path, "one-node", "--json")
    assert result.exit_code == 1
    lack = {"what": "the cluster has no ingress class 'traefik', which ingress.className names", "remedy": "there: 'nginx'"}
    assert json.loads(result.stdout) == {"right": False, "problems": [], "lacks": [lack], "unknown": []}


@pytest.mark.asyncio
async def test_values_that_are_wrong_are_told_before_the_cluster_is_asked(k3s, tmp_path):
    (tmp_path / "more.yaml").write_text("hubb: {}\n")
    result = await check(k3s, tmp_path, "one-node", "-f", str(tmp_path / "more.yaml"))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{tmp_path}/more.yaml:1: the values file has a key 'hubb', which is not known")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "the API server at {url} does not know you; is the kubeconfig still good?\n"),
        (503, "the API server answered "),
    ],
)
async def test_an_api_server_that_refuses_is_no_answer(status, sentence, k3s, tmp_path):
    k3s.refuse = status
    result = await check(k3s, tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith(sentence.format(url=k3s.url))


@pytest.mark.asyncio
async def test_an_api_server_that_is_not_there_is_no_answer(k3s, tmp_path):
    k3s.url = "http://127.0.0.1:1"
    result = await check(k3s, tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("the API server at http://127.0.0.1:1 does not answer (")


def test_a_kubeconfig_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "none").write_text("apiVersion: v1\nkind: Config\n")
    for name, more in (("none", ()), ("none", ("--context", "x"))):
        arguments = ["check", "--cluster", "-f", str(EXAMPLES / "one-node.yaml"), "--kubeconfig", str(tmp_path / name), *more]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 2
        assert result.stderr.startswith(f"{tmp_path / name} leads to no cluster (")


@pytest.mark.asyncio
async def test_a_kubeconfig_may_come_through_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    told = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "http://c.test"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [context],
    }
    with ThreadPoolExecutor(1) as threads:
        writing = threads.submit(pipe.write_text, json.dumps(told))
        async with api_of(pipe, None) as client:
            assert client.configuration.host == "http://c.test"
        assert writing.result(10)


@pytest.mark.parametrize("how", ["option", "environment"])
def test_what_is_no_kubeconfig_is_said_in_one_sentence(how, tmp_path, monkeypatch, caplog):
    text, other = tmp_path / "passwd", tmp_path / "pod.yaml"
    text.write_text("root:x:0:0:root:/root:/bin/bash\n")
    other.write_text("apiVersion: v1\nkind: Pod\n")
    for file, words in (
        (tmp_path / "missing", f"there is no file {tmp_path}/missing"),
        (text, f"{text} is no kubeconfig"),
        (other, f"{other} is no kubeconfig"),
        (tmp_path, f"{tmp_path} cannot be read (Is a directory)"),
    ):
        monkeypatch.setenv("KUBECONFIG", str(file))
        more = ["--kubeconfig", str(file)] if how == "option" else []
        result = CliRunner().invoke(cli, ["check", "--cluster", "-f", str(EXAMPLES / "one-node.yaml"), *more])
        assert (result.exit_code, result.stderr) == (2, f"{words}; name one with --kubeconfig\n")
        assert not caplog.records


@pytest.mark.parametrize(
    ("quantity", "number"),
    [("500m", 0.5), ("2", 2), ("1.5", 1.5), ("2Gi", 2 << 30), ("32946296Ki", 32946296 << 10), ("1k", 1000), ("1e3", 1000)],
)
def test_quantities_are_read_as_kubernetes_writes_them(quantity, number):
    assert amount(quantity) == number
