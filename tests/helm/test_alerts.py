"""The chart's alerts look at figures that somebody really tells."""

import re

import jupyterhub.metrics  # noqa: F401  # which makes JupyterHub's figures
import pytest
from bowerbird_config.paths import Var
from bowerbird_fuse.csi import metrics, options
from bowerbird_fuse.csi.keeper_orders import KeeperOrders
from bowerbird_fuse.csi.volumes import Book
from prometheus_client import REGISTRY

from tests.support.charts import EXAMPLES, alert_metrics, named, objects

# What Kubernetes' own programs tell, by the names in their documentation.
KUBERNETES = {
    "kube_deployment_status_replicas_available": "kube-state-metrics",
    "kube_daemonset_status_number_unavailable": "kube-state-metrics",
    "kube_pod_status_phase": "kube-state-metrics",
    "kubelet_volume_stats_available_bytes": "the kubelet",
    "kubelet_volume_stats_capacity_bytes": "the kubelet",
}


class _Keeper(KeeperOrders):
    """A keeper with one view; what is asked here is which figures the plugin tells of it."""

    def views(self):
        return [{"healthy": True, "restarts": 0}]


def test_every_figure_of_a_node_that_an_alert_looks_at_is_told(tmp_path):
    var = Var(tmp_path)
    calls = metrics.Calls()
    calls.count("NodePublishVolume", "OK")
    told = set(re.findall(r"^([a-z_]+)[{ ]", metrics.text(calls, Book(tmp_path, tmp_path), _Keeper(var.keeper_socket)), re.MULTILINE))
    watched = {name for name in alert_metrics() if name.startswith("bowerbird_node_")}
    assert watched
    assert watched <= told


def test_every_figure_of_the_hub_that_an_alert_looks_at_is_jupyterhubs():
    told = {f"{family.name}{suffix}" for family in REGISTRY.collect() for suffix in ("", "_count", "_sum", "_total")}
    watched = {name for name in alert_metrics() if name.startswith("jupyterhub_")}
    assert watched
    assert watched <= told


def test_alerts_look_at_nothing_else():
    known = ("bowerbird_services_", "bowerbird_node_", "jupyterhub_")
    assert {name for name in alert_metrics() if not name.startswith(known)} == set(KUBERNETES)


def test_each_alert_says_in_words_what_it_means():
    (rules,) = (each for each in objects("production") if each["kind"] == "PrometheusRule")
    for rule in rules["spec"]["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert len(rule["annotations"]["summary"]) > 20, rule["alert"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_without_being_asked_for_there_are_no_objects_of_the_operator(name):
    asked = name == "production"
    kinds = {each["kind"] for each in objects(name) if each["apiVersion"].startswith("monitoring.coreos.com/")}
    assert kinds == ({"PrometheusRule", "ServiceMonitor", "PodMonitor"} if asked else set())


def test_the_node_plugin_tells_its_figures_where_prometheus_asks():
    plugin = named(objects("production"), "DaemonSet", "bowerbird-data")["spec"]["template"]
    (container,) = plugin["spec"]["containers"]
    (port,) = container["ports"]
    assert options.parse([*container["command"][4:], *container["args"]], {"NODE_NAME": "n"}).metrics_port == port["containerPort"]
    assert plugin["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    (monitor,) = (each for each in objects("production") if each["kind"] == "PodMonitor")
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == port["name"]
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["observatory-data"]}


def _askers(name, part):
    """Return the namespaces whose pods may ask a component for its figures alone, by port."""
    policy = named(objects(name), "NetworkPolicy", f"bowerbird-{part}")["spec"]
    for rule in policy.get("ingress", []):
        spaces = [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule.get("from", [])]
        if "monitoring" in spaces:
            yield spaces, [port["port"] for port in rule["ports"]]


@pytest.mark.parametrize(("part", "port"), [("hub", 8081), ("proxy", 8002), ("services", 8080), ("data", 9810)])
def test_the_namespace_of_prometheus_may_ask_and_no_other_is_let_in_for_it(part, port):
    assert list(_askers("production", part)) == [(["monitoring"], [port])]
    assert not list(_askers("one-node", part))


def test_prometheus_asks_the_hub_with_the_token_that_is_for_its_figures():
    monitors = {
        each["metadata"]["name"]: each["spec"]["endpoints"][0] for each in objects("production") if each["kind"] == "ServiceMonitor"
    }
    assert monitors["bowerbird-hub"]["authorization"] == {"credentials": {"name": "bowerbird-secrets", "key": "metrics-token"}}
    assert all("authorization" not in endpoint for name, endpoint in monitors.items() if name != "bowerbird-hub")
    hub = named(objects("production"), "Deployment", "bowerbird-hub")["spec"]["template"]["metadata"]["annotations"]
    assert not [key for key in hub if key.startswith("prometheus.io/")]
