"""Every right that the chart gives, and what it is for. A right that stands nowhere here is one too many."""

from itertools import product

import pytest

from tests.support.charts import EXAMPLES, identity, objects, pods

# Account, where it holds, what of, verb.
RIGHTS = {
    ("bowerbird-hub", "bowerbird-users", "/pods", "create"): "a server's start",
    ("bowerbird-hub", "bowerbird-users", "/pods", "delete"): "a server's stop",
    ("bowerbird-hub", "bowerbird-users", "/pods", "list"): "all servers, when the hub starts",
    ("bowerbird-hub", "bowerbird-users", "/pods", "watch"): "a server that ends behind the hub's back",
    ("bowerbird-hub", "bowerbird-users", "/events", "list"): "how a start goes on: scheduled, pulling, mounted",
    ("bowerbird-hub", "bowerbird-users", "/events", "watch"): "the same as it happens",
    ("bowerbird-hub", "the cluster", "authentication.k8s.io/tokenreviews", "create"): "whose token the node plugin hands over",
    ("bowerbird-make-secrets", "bowerbird", "/secrets", "create"): "the platform's own secrets, once; a name cannot limit who creates",
    ("bowerbird-make-secrets", "bowerbird", "/secrets bowerbird-secrets", "get"): "which of them an older chart did not make",
    ("bowerbird-make-secrets", "bowerbird", "/secrets bowerbird-secrets", "patch"): "to add those",
    ("bowerbird-await-images", "bowerbird", "apps/daemonsets bowerbird-pre-pull", "get"): "how many nodes have all images",
    ("bowerbird-await-images", "bowerbird", "/pods", "list"): "which image cannot be pulled; a name cannot limit who lists",
    ("bowerbird-stop-pods", "bowerbird", "apps/deployments bowerbird-hub", "delete"): "before an uninstall, so that nobody starts a server",
    ("bowerbird-stop-pods", "bowerbird", "apps/deployments bowerbird-services", "delete"): "their volume goes while its plugin is there",
    ("bowerbird-stop-pods", "bowerbird", "/pods", "list"): "whether both have ended; a name cannot limit who lists",
    ("bowerbird-stop-pods", "bowerbird-users", "/pods", "list"): "which servers run, and whether they have ended",
    ("bowerbird-stop-pods", "bowerbird-users", "/pods", "delete"): "to end them, whose volumes go while their plugin is there",
}


def _granted(rule):
    names = rule.get("resourceNames", [""])
    for group, resource, name, verb in product(rule["apiGroups"], rule["resources"], names, rule["verbs"]):
        yield f"{group}/{resource} {name}".strip(), verb


def _rights(found):
    rules = {identity(each): each["rules"] for each in found if "rules" in each}
    for binding in (each for each in found if each["kind"].endswith("RoleBinding")):
        namespace = binding["metadata"].get("namespace", "")
        for rule in rules[binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]]:
            for subject, (what, verb) in product(binding["subjects"], _granted(rule)):
                yield subject["name"], namespace or "the cluster", what, verb


def test_each_right_has_its_reason():
    found = [each for each in objects("one-node") if each["kind"] in {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}]
    assert sorted(_rights(found)) == sorted(RIGHTS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_right_is_a_star_and_none_holds_in_the_whole_cluster_but_one(name):
    found = objects(name)
    rights = list(_rights([each for each in found if "rules" in each or "roleRef" in each]))
    assert not [right for right in rights if "*" in "".join(right)]
    assert [right[2:] for right in rights if right[1] == "the cluster"] == [("authentication.k8s.io/tokenreviews", "create")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_only_those_who_ask_kubernetes_have_its_token(name):
    asking = {"bowerbird-hub", "bowerbird-make-secrets", "bowerbird-await-images", "bowerbird-stop-pods"}
    for _, pod, template in pods(objects(name)):
        spec = template["spec"]
        if pod not in asking:
            assert spec["automountServiceAccountToken"] is False, pod


def test_the_token_of_the_node_plugin_is_for_the_hub_alone():
    (plugin,) = (template for _, name, template in pods(objects("one-node")) if name == "bowerbird-data")
    (token,) = (volume["projected"]["sources"] for volume in plugin["spec"]["volumes"] if volume["name"] == "token")
    assert token == [{"serviceAccountToken": {"path": "token", "audience": "bowerbird.csi.bowerbird", "expirationSeconds": 3600}}]
