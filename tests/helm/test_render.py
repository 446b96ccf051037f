"""What the chart renders: the same as before, right for Kubernetes, and kept apart from what else is in the cluster."""

import json
import re
from itertools import pairwise
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from bowerbird_config.chart.helm import HelmRefused
from bowerbird_config.load import load, load_pod_settings
from bowerbird_fuse.csi import options
from bowerbird_hub.chart.make_secrets import KEYS
from bowerbird_hub.supervision import away
from bowerbird_hub.supervision.proxy_scripts import SCRIPTS
from helm_python.chart import lint

from tests.support.charts import CHART, EXAMPLES, ROOT, containers, example, identity, named, objects, pods, rendered

GOLDEN = ROOT / "tests" / "data" / "helm"
# Where it is told nothing else.
HELM_WAITS_SECONDS = 300
_OPERATORS = ("monitoring.coreos.com/",)


@pytest.mark.parametrize("name", EXAMPLES)
def test_lint_has_nothing_to_say(name):
    report = lint(CHART, example(name), strict=True, namespace="bowerbird")
    assert report["errors"] == []
    # It would like an icon, which is an address of the internet.
    assert [found["error"] for found in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_renders_as_before(name, pytestconfig):
    text = yaml.safe_dump_all(objects(name), sort_keys=True, width=140)
    golden = GOLDEN / f"{name}.yaml"
    if pytestconfig.getoption("--update-data"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_proxy_says_on_a_cluster_what_it_says_on_one_machine():
    files, pages = CHART / "files", ROOT / "hub" / "bowerbird_hub" / "pages"
    assert (files / "away.txt").read_text() == away.sentence("{{ .Values.platform.contact }}") + "\n"
    secrets = [re.findall(r"const query = .*", (place / "away.html").read_text()) for place in (files, pages)]
    assert len(secrets[0]) == 1
    assert secrets[0] == secrets[1]


# The oldest that the chart takes, and the newest whose fields are known.
@pytest.mark.parametrize("version", ["1.32", "1.37"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_kubernetes_knows_every_field(name, version):
    for each in objects(name):
        if not each["apiVersion"].startswith(_OPERATORS):
            kubernetes_validate.validate(each, version, strict=True)


def _restricted(template):
    """Yield what Pod Security `restricted` would say."""
    spec = template["spec"]
    pod = spec.get("securityContext", {})
    if spec.get("hostNetwork") or spec.get("hostPID") or spec.get("hostIPC"):
        yield "shares a namespace of the node"
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}:
            yield f"volume {volume['name']} is {kinds}"
    for container in containers(template):
        own = container.get("securityContext", {})
        wanted = {
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "capabilities": own.get("capabilities") == {"drop": ["ALL"]},
            "runAsNonRoot": own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True and own.get("runAsUser", pod.get("runAsUser")) != 0,
            "seccompProfile": own.get("seccompProfile", pod.get("seccompProfile")) == {"type": "RuntimeDefault"},
            "privileged": not own.get("privileged"),
        }
        yield from (f"{container['name']}: {key}" for key, right in wanted.items() if not right)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_namespace_that_enforces_restricted_takes_all_but_the_node_plugin(name):
    found = objects(name)
    data = named(found, "DaemonSet", "bowerbird-data")["metadata"]["namespace"]
    said = {pod: list(_restricted(template)) for namespace, pod, template in pods(found) if namespace != data}
    assert said
    assert {pod: words for pod, words in said.items() if words} == {}


def test_the_holder_has_no_right_at_all():
    holder = named(objects("one-node"), "DaemonSet", "bowerbird-holder")["spec"]
    (container,) = holder["template"]["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert holder["template"]["spec"]["automountServiceAccountToken"] is False
    assert holder["updateStrategy"] == {"type": "OnDelete"}


def test_the_node_plugin_takes_the_words_that_the_chart_gives_it():
    plugin = named(objects("one-node"), "DaemonSet", "bowerbird-data")["spec"]["template"]["spec"]["containers"][0]
    program, module, *words = [*plugin["command"], *plugin["args"]][2:]
    assert (program, module) == ("-m", "bowerbird_fuse.csi")
    told = options.parse(words, {"NODE_NAME": "node1"})
    (driver,) = (each["metadata"]["name"] for each in objects("one-node") if each["kind"] == "CSIDriver")
    assert told.driver == driver
    mounts = {mount["mountPath"]: mount for mount in plugin["volumeMounts"]}
    assert mounts[str(told.var.run)]["mountPropagation"] == "Bidirectional"
    storage = {str(told.var.homes), str(told.var.spaces), str(told.var.releases), str(told.var.leases)}
    assert storage | {str(told.var.cache), str(told.var.platform.parent)} <= set(mounts)
    # The node would keep what is mounted there.
    shared = [path for path, mount in mounts.items() if mount.get("mountPropagation") == "Bidirectional"]
    assert [path for path in storage for above in shared if Path(path).is_relative_to(above)] == []


def test_the_next_node_plugin_is_ready_before_the_last_one_ends():
    spec = named(objects("one-node"), "DaemonSet", "bowerbird-data")["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    plugin = spec["template"]["spec"]["containers"][0]
    warm = options.parse([*plugin["command"], *plugin["args"]][4:], {"NODE_NAME": "node1"}).warm
    assert {f"{warm}/keeper", f"{warm}/plugin"} <= set(plugin["readinessProbe"]["exec"]["command"])


def test_holder_and_keeper_meet_at_one_socket():
    holder = named(objects("one-node"), "DaemonSet", "bowerbird-holder")["spec"]["template"]["spec"]["containers"][0]
    plugin = named(objects("one-node"), "DaemonSet", "bowerbird-data")["spec"]["template"]["spec"]["containers"][0]
    told = options.parse(plugin["command"][4:], {"NODE_NAME": "node1"})
    assert holder["command"][-1] == str(told.var.holder_socket)


def test_namespaces_say_what_they_enforce():
    enforced = {each["metadata"]["name"]: each["metadata"]["labels"] for each in objects("one-node") if each["kind"] == "Namespace"}
    label = "pod-security.kubernetes.io/enforce"
    assert {name: labels[label] for name, labels in enforced.items()} == {"bowerbird-users": "restricted", "bowerbird-data": "privileged"}


@pytest.mark.parametrize(
    "others",
    [
        [("bowerbird", "bowerbird"), ("bowerbird", "second"), ("science", "bowerbird"), ("science", "science")],
        [("b-c", "a"), ("c", "a-b"), ("a-b", "c"), ("a.b", "x"), ("a-b", "x")],
        [("r" * 53, "one"), ("r" * 52 + "x", "one"), ("r" * 53, "n" * 63), ("r" * 53, "n" * 62 + "x")],
    ],
    ids=["in one cluster", "names that join alike", "long names"],
)
def test_two_installs_share_no_object(others):
    seen: dict[tuple[str, str, str], tuple[str, str]] = {}
    for release, namespace in others:
        for each in objects("one-node", release, namespace):
            assert seen.setdefault(identity(each), (release, namespace)) == (release, namespace), identity(each)
            for word in identity(each)[1:]:
                assert len(word) <= 63, word


def test_each_install_has_a_driver_whose_tokens_are_for_it_alone():
    found = {}
    for namespace in ("one", "two"):
        (driver,) = (each for each in objects("one-node", "bowerbird", namespace) if each["kind"] == "CSIDriver")
        found[driver["metadata"]["name"]] = driver["spec"]["tokenRequests"][0]["audience"]
    assert len(found) == 2
    assert all(name == audience for name, audience in found.items())


def test_a_change_of_a_profile_changes_the_platform_file_and_nothing_else():
    edited = example("one-node")
    edited["platform"]["profiles"]["minimal"]["memory"] = "3 GiB"
    edited["platform"]["teams"]["more"] = {"title": "More", "contact": "more@example.org"}
    edited["platform"]["name"] = "Another name"
    before, after = ({identity(each): each for each in found} for found in (objects("one-node"), rendered(edited)))
    assert [key for key in before if before[key] != after[key]] == [("ConfigMap", "bowerbird", "bowerbird-platform")]
    assert before.keys() == after.keys()


def test_an_upgrade_to_another_version_leaves_pods_with_the_same_image_alone():
    pinned = example("one-node")
    pinned["images"] = {part: {"tag": "0.1.0"} for part in ("hub", "proxy", "services", "data", "demoCas")}
    for each in rendered(pinned):
        if each["kind"] in {"Deployment", "DaemonSet"}:
            assert "app.kubernetes.io/version" not in json.dumps(each["spec"])


def test_another_limit_for_idle_servers_restarts_nothing():
    edited = example("one-node")
    edited["platform"]["limits"] = {"idle": "3 h"}
    before, after = ({identity(each): each for each in found} for found in (objects("one-node"), rendered(edited)))
    changed = [kind_and_name[2] for kind_and_name in before if before[kind_and_name] != after[kind_and_name]]
    assert changed == ["bowerbird-platform"]


def test_servers_that_live_for_ever_have_no_culler():
    assert not [each for each in objects("production") if each["metadata"]["name"] == "bowerbird-culler" and each["kind"] == "Deployment"]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_hub_reads_what_the_chart_writes(name, tmp_path):
    found = objects(name)
    (tmp_path / "platform.yaml").write_text(named(found, "ConfigMap", "bowerbird-platform")["data"]["platform.yaml"])
    (tmp_path / "pods.yaml").write_text(named(found, "ConfigMap", "bowerbird-hub")["data"]["pods.yaml"])
    platform, settings = load(tmp_path / "platform.yaml"), load_pod_settings(tmp_path / "pods.yaml")
    written = example(name)
    assert set(platform.profiles) == set(written["platform"]["profiles"])
    assert dict(settings.images) == written["users"]["images"]
    assert settings.driver == next(each for each in found if each["kind"] == "CSIDriver")["metadata"]["name"]
    assert ("ServiceAccount", settings.namespace, settings.service_account) in map(identity, found)


def test_large_numbers_stay_whole(tmp_path):
    file = tmp_path / "platform.yaml"
    file.write_text(named(objects("production"), "ConfigMap", "bowerbird-platform")["data"]["platform.yaml"])
    assert load(file).limits.queries.rows == 10_000_000


def test_what_is_said_of_pods_reaches_the_hub(tmp_path):
    file = tmp_path / "pods.yaml"
    file.write_text(named(objects("production"), "ConfigMap", "bowerbird-hub")["data"]["pods.yaml"])
    settings = load_pod_settings(file)
    assert settings.placement("eso").node_selector == {"role": "servers", "disk": "fast"}
    assert [toleration.key for toleration in settings.placement("eso").tolerations] == ["reduction"]
    assert settings.requests_of("eso").memory == 1
    assert settings.requests_of("minimal").memory == 0.75


def test_no_secret_is_rendered_and_a_second_rendering_is_the_same():
    assert rendered(example("one-node")) == objects("one-node")
    assert not [each for each in objects("one-node") if each["kind"] == "Secret"]


def test_the_job_makes_every_secret_that_a_pod_asks_for():
    asked = set(re.findall(r'"secretKeyRef": \{"name": "bowerbird-secrets", "key": "([a-z-]+)"', json.dumps(objects("one-node"))))
    asked |= set(re.findall(r'"secretKeyRef": \{"key": "([a-z-]+)", "name": "bowerbird-secrets"', json.dumps(objects("one-node"))))
    assert asked == set(KEYS)


def test_an_install_looks_for_every_key_of_a_secret_that_is_there_already():
    text = (CHART / "templates/given.yaml").read_text()
    assert set(re.findall(r'"([a-z]+-[a-z]+)"', text.partition("$keys := list")[2].partition("}}")[0])) == set(KEYS)


def test_where_the_admin_has_a_secret_none_is_made():
    names = [each["metadata"]["name"] for each in objects("production")]
    assert "bowerbird-make-secrets" not in names
    assert "bowerbird-make-secrets" in [each["metadata"]["name"] for each in objects("one-node")]


def test_no_password_of_a_database_is_in_a_command_or_a_value():
    hub = named(objects("production"), "Deployment", "bowerbird-hub")["spec"]["template"]["spec"]["containers"][0]
    (url,) = (each for each in hub["env"] if each["name"] == "BOWERBIRD_DATABASE_URL")
    assert url == {"name": "BOWERBIRD_DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "bowerbird-database", "key": "url"}}}


def test_the_demo_sign_on_comes_only_when_asked_for():
    assert "demo-cas" in json.dumps(objects("trial"))
    assert "demo-cas" not in json.dumps(objects("one-node"))


def test_the_hub_is_one_and_never_two_at_a_time():
    spec = named(objects("production"), "Deployment", "bowerbird-hub")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_services_are_one_and_never_two_at_a_time():
    spec = named(objects("production"), "Deployment", "bowerbird-services")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize("named_as", [("bowerbird", "bowerbird"), ("a.release.with-dots", "science")])
def test_the_hub_is_told_the_account_that_the_services_have(named_as):
    found = objects("one-node", *named_as)
    ((namespace, template),) = ((namespace, template) for namespace, name, template in pods(found) if name.endswith("-services"))
    (hub,) = (template for _, name, template in pods(found) if name.endswith("-hub"))
    told = {each["name"]: each.get("value") for each in containers(hub)[0]["env"]}
    assert told["BOWERBIRD_SERVICES_ACCOUNT"] == f"{namespace}/{template['spec']['serviceAccountName']}"
    others = [each["spec"].get("serviceAccountName") for _, name, each in pods(found) if not name.endswith("-services")]
    assert template["spec"]["serviceAccountName"] not in others


def test_claims_outlive_an_uninstall():
    claims = [each for each in objects("one-node") if each["kind"] == "PersistentVolumeClaim"]
    assert len(claims) == 2
    assert all(each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for each in claims)


def test_every_object_and_every_pod_has_the_labels_of_kubernetes():
    wanted = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
    for each in objects("production"):
        assert wanted | {"app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"} <= each["metadata"]["labels"].keys(), identity(each)
    for _, name, template in pods(objects("production")):
        assert wanted <= template["metadata"]["labels"].keys(), name


def test_the_ingress_leads_every_name_below_the_host_to_the_proxy():
    ingress = named(objects("one-node"), "Ingress", "bowerbird-proxy")
    assert ingress["spec"]["ingressClassName"] == "traefik"
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == ["data.survey.example.org", "*.data.survey.example.org"]
    backends = {path["backend"]["service"]["name"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}
    assert backends == {"bowerbird-proxy"}
    assert not [each for each in objects("trial") if each["kind"] == "Ingress"]


def test_jobs_of_an_upgrade_come_in_their_order():
    hooks = [each for each in objects("one-node") if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    jobs = {each["metadata"]["name"]: each["metadata"]["annotations"] for each in hooks if each["kind"] == "Job"}
    assert jobs.pop("bowerbird-stop-pods")["helm.sh/hook"] == "pre-delete"
    weight = {name: int(annotations["helm.sh/hook-weight"]) for name, annotations in jobs.items()}
    assert sorted(weight, key=lambda name: weight[name]) == [
        "bowerbird-make-secrets",
        "bowerbird-await-images",
        "bowerbird-upgrade-database",
    ]
    # There is nothing to copy before the first install.
    assert named(hooks, "Job", "bowerbird-upgrade-database")["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"


@pytest.mark.parametrize("named_as", [("bowerbird", "bowerbird"), ("a.release.with-dots", "science")])
def test_the_job_of_an_uninstall_finds_what_it_stops(named_as):
    found = objects("one-node", *named_as)
    ((namespace, job),) = ((namespace, template) for namespace, name, template in pods(found) if name.endswith("-stop-pods"))
    (container,) = containers(job)
    told = dict(pairwise(container["command"]))
    parts = {"hub": told["--hub"], "services": told["--services"]}
    for component, name in parts.items():
        deployment = named(found, "Deployment", name)
        assert deployment["metadata"]["namespace"] == told["--namespace"] == namespace
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == component
        assert labels["app.kubernetes.io/instance"] == told["--release"] == named_as[0]
    (config,) = (each["data"]["pods.yaml"] for each in found if each["kind"] == "ConfigMap" and "pods.yaml" in each["data"])
    assert yaml.safe_load(config)["namespace"] == told["--users"]
    of_servers = [each for each in found if each["kind"] == "Role" and each["metadata"]["namespace"] == told["--users"]]
    (role,) = (each for each in of_servers if "stop" in identity(each)[2])
    # Of an uninstall that nothing was installed for, no hook must need what is not there.
    assert "annotations" not in role["metadata"]
    assert float(told["--seconds"]) < named(found, "Job", identity(role)[2])["spec"]["activeDeadlineSeconds"] < HELM_WAITS_SECONDS


def test_images_are_pulled_before_an_upgrade_begins():
    puller = named(objects("one-node"), "DaemonSet", "bowerbird-pre-pull")["spec"]["template"]
    images = {container["image"] for container in containers(puller)}
    assert images == {
        "bowerbird/base:0.1.0",
        "bowerbird/eso:0.1.0",
        "bowerbird/hub:0.1.0",
        "bowerbird/services:0.1.0",
        "bowerbird/data:0.1.0",
    }


def test_images_of_ours_come_from_the_registry_that_is_named():
    for _, name, template in pods(objects("production")):
        for container in containers(template):
            assert container["image"].startswith("registry.observatory.example.org/"), name
        assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}], name


def test_a_value_that_no_type_knows_is_refused_by_helm_itself():
    wrong = example("one-node") | {"hubb": {}}
    with pytest.raises(HelmRefused, match="hubb"):
        rendered(wrong)


def test_every_program_that_the_chart_starts_is_built():
    text = (CHART / "templates" / "_programs.tpl").read_text()
    modules = re.findall(r"-m, (bowerbird_[\w.]+)", text)
    assert modules
    for module in modules:
        member = {"bowerbird_hub": "hub", "bowerbird_services": "services", "bowerbird_fuse": "fuse"}[module.split(".")[0]]
        place = ROOT / member / Path(*module.split("."))
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_file_that_the_chart_names_in_an_image_of_ours_is_in_it(name):
    """In the images our packages lie as in a checkout."""
    paths = set(re.findall(r"/opt/bowerbird/((?:hub|services|fuse)/[\w./]+)", json.dumps(objects(name))))
    assert {script.relative_to(ROOT).as_posix() for script in SCRIPTS} <= paths
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_what_makes_tables_has_the_volumes_of_the_services_and_tells_them_how_it_goes():
    pod = named(objects("one-node"), "Deployment", "bowerbird-services")["spec"]["template"]["spec"]
    services, ingest = pod["containers"]
    assert [each["name"] for each in pod["containers"]] == ["services", "ingest"]
    assert services["image"] == ingest["image"]
    mounts = [{mount["mountPath"]: mount for mount in each["volumeMounts"]} for each in (services, ingest)]
    for path in ("/srv/bowerbird", "/run/volume"):
        assert mounts[0][path] == mounts[1][path]
    said, heard = (dict(zip(each["command"][4::2], each["command"][5::2], strict=True)) for each in (ingest, services))
    assert said["--state"] == heard["--ingest"]
    for word in ("--tables", "--surveys", "--releases", "--hub"):
        assert said[word] == heard[word]
    assert "memory" in ingest["resources"]["limits"]
