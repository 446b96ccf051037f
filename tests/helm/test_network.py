"""NetworkPolicies: nobody, but for what is named; and never the address where a cloud tells its machines their secrets."""

from ipaddress import ip_address, ip_network

import pytest

from tests.support.charts import EXAMPLES, example, named, objects, rendered

METADATA = ("169.254.169.254", "100.100.100.200", "fd00:ec2::254")


def _policies(found):
    return [each for each in found if each["kind"] == "NetworkPolicy"]


def _blocks(found):
    for policy in _policies(found):
        for rule in policy["spec"].get("egress", []):
            for peer in rule.get("to", []):
                if "ipBlock" in peer:
                    yield policy["metadata"]["name"], peer["ipBlock"]


def _holds(block, address):
    inside = ip_address(address) in ip_network(block["cidr"])
    return inside and not any(ip_address(address) in ip_network(each) for each in block.get("except", []))


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("address", METADATA)
def test_no_pod_reaches_the_metadata_of_a_cloud(name, address):
    blocks = list(_blocks(objects(name)))
    assert blocks
    assert [policy for policy, block in blocks if _holds(block, address)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_namespace_begins_with_nobody(name):
    denied = {
        each["metadata"]["namespace"]: each["spec"] for each in _policies(objects(name)) if each["metadata"]["name"] == "bowerbird-deny"
    }
    assert len(denied) == 3
    for spec in denied.values():
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in spec
        # But names have to be found.
        (rule,) = spec["egress"]
        assert rule["ports"] == [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def test_a_rule_without_a_peer_is_only_the_open_door():
    """An empty `to` or `from` means everybody: the proxy's own port has it, where no Ingress leads to it."""
    open_ones = [
        policy["metadata"]["name"]
        for policy in _policies(objects("trial"))
        for key, peers in (("ingress", "from"), ("egress", "to"))
        for rule in policy["spec"].get(key, [])
        if not rule.get(peers)
    ]
    assert open_ones == ["bowerbird-proxy"]
    for policy in _policies(objects("one-node")):
        assert all(rule.get("from") for rule in policy["spec"].get("ingress", []))
        assert all(rule.get("to") for rule in policy["spec"].get("egress", []))


def test_only_the_hub_tells_the_proxy_its_routes():
    spec = named(objects("one-node"), "NetworkPolicy", "bowerbird-proxy")["spec"]
    (rule,) = (rule for rule in spec["ingress"] if rule["ports"] == [{"port": "api"}])
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "hub"


@pytest.mark.parametrize("address", ["10.43.0.1", "192.168.1.1", "172.16.0.1", "10.20.30.40", "fd12::1", "127.0.0.1"])
def test_user_pods_reach_the_internet_and_no_neighbour(address):
    users = [block for policy, block in _blocks(objects("one-node")) if policy == "bowerbird-server"]
    assert any(_holds(block, "193.0.6.139") for block in users)
    assert not any(_holds(block, address) for block in users if not address.startswith("127."))


def test_only_node_plugins_and_services_come_to_the_hubs_inner_door():
    spec = named(objects("one-node"), "NetworkPolicy", "bowerbird-hub")["spec"]
    (rule,) = (rule for rule in spec["ingress"] if rule["ports"] == [{"port": "nodes"}])
    peers = [(peer["podSelector"]["matchLabels"], peer["namespaceSelector"]["matchLabels"]) for peer in rule["from"]]
    who = [(pods["app.kubernetes.io/component"], namespaces) for pods, namespaces in peers]
    key = "kubernetes.io/metadata.name"
    assert who == [("data", {key: "bowerbird-data"}), ("services", {key: "bowerbird"})]


def test_user_pods_reach_a_network_that_is_named():
    users = [block for policy, block in _blocks(objects("production")) if policy == "bowerbird-server"]
    assert any(_holds(block, "10.20.30.40") for block in users)
    assert not any(_holds(block, "10.21.30.40") for block in users)


def test_user_pods_without_the_internet_reach_nothing_outside():
    closed = example("one-node") | {"networkPolicy": {"users": {"internet": False}}}
    assert [block for policy, block in _blocks(rendered(closed)) if policy == "bowerbird-server"] == []


def test_user_pods_do_not_reach_each_other():
    spec = named(objects("one-node"), "NetworkPolicy", "bowerbird-server")["spec"]
    for rule in (*spec["ingress"], *spec["egress"]):
        for peer in rule.get("from", rule.get("to", [])):
            if "namespaceSelector" in peer:
                assert peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] in {"bowerbird", "kube-system"}


def test_the_ports_of_the_sign_on_and_the_database_are_open_to_the_hub():
    spec = named(objects("production"), "NetworkPolicy", "bowerbird-hub")["spec"]
    (outer,) = (rule["ports"] for rule in spec["egress"] if any("ipBlock" in peer for peer in rule["to"]))
    assert outer == [{"port": 443}, {"port": 6443}, {"port": 8443}, {"port": 5432}]
    services = named(objects("production"), "NetworkPolicy", "bowerbird-services")["spec"]
    assert [port for rule in services["egress"] for port in rule["ports"]] == [{"port": 8081}, {"port": 8083}]


def test_policies_can_be_left_to_others():
    assert _policies(rendered(example("one-node") | {"networkPolicy": {"enabled": False}})) == []
