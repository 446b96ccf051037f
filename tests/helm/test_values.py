"""Values: the schema that Helm holds them to, the platform file in them, and the command that renders them."""

import json
import re
import shlex
import shutil
import sys
from typing import Any

import jsonschema
import pytest
import yaml
from bowerbird_config.chart import written
from bowerbird_config.chart.values_file import load_values, values_of, values_text
from bowerbird_config.cli import cli
from bowerbird_config.load import load
from bowerbird_config.platform import KUBERNETES, Runtime
from bowerbird_config.schema import values_schema
from bowerbird_config.values import Values
from click.testing import CliRunner

from tests.support.charts import CHART, EXAMPLES, ROOT, example, rendered

INGRESS, DATA, USERS = (
    "ingress: {host: data.example.org}",
    "{storage: {hostPath: /srv/bowerbird}}",
    '{images: {lab: "bowerbird/base:0.1.0"}}',
)


def test_schema_and_default_values_are_written_from_the_types():
    schema = (CHART / "values.schema.json").read_text()
    assert json.loads(schema) == values_schema(), "run: python -m bowerbird_config.chart.written helm/bowerbird"
    assert (CHART / "values.yaml").read_text() == written.default_values(), "run: python -m bowerbird_config.chart.written helm/bowerbird"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_fits_the_schema_and_the_types(name):
    jsonschema.Draft202012Validator(values_schema()).validate(example(name))
    load_values(CHART / "examples" / f"{name}.yaml")


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_the_chart_says_by_itself_is_what_the_types_say(name, tmp_path):
    defaults, file = yaml.safe_load((CHART / "values.yaml").read_text()), tmp_path / "defaults.yaml"
    file.write_text(yaml.safe_dump(defaults))
    own = CHART / "examples" / f"{name}.yaml"
    assert load_values(file, own) == load_values(own)


@pytest.fixture
def platform_file(tmp_path):
    """A platform file of one machine that includes another."""
    (tmp_path / "teams.yaml").write_text('teams:\n  "on": {title: "Yes", contact: no@example.org}\n')
    file = tmp_path / "platform.yaml"
    file.write_text(
        "bowerbird: 1\ninclude: [teams.yaml]\nname: off\ncontact: 12:30\nsign_on: {cas: {url: https://cas.example.org/cas}}\n"
        "profiles: {minimal: {title: No, environment: eso, memory: 1 GiB, cpu: 1, teams: [on]}}\n"
        "collections: {deep: {title: Deep, releases: {dr1: {title: First, teams: [on], public_on: 2027-03-01T00:00:00Z}}}}\n"
        "limits: {idle: null, queries: {rows: 10000000}}\nspaces: {trash: off}\n"
        "runtime: {port: 8080, environments: {eso: /opt/eso}}\nstorage: {releases: {deep/dr1: /data/deep}}\n"
    )
    return file


def _as_go_reads(text: str) -> dict[str, Any]:
    """Return YAML as Helm's reader has it, which takes `on` and `y` for truth values."""
    loaded = yaml.load(text, Loader=yaml.SafeLoader)
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("which", ["includes", "default"])
def test_the_platform_of_a_machine_and_of_a_cluster_differ_in_runtime_and_storage_alone(which, platform_file, tmp_path):
    file = platform_file if which == "includes" else ROOT / "config" / "default" / "platform.yaml"
    tree = _as_go_reads(values_text(file))["platform"]
    (tmp_path / "cluster.yaml").write_text(json.dumps(tree))
    machine, cluster = load(file), load(tmp_path / "cluster.yaml")
    theirs = {"runtime", "storage"}
    assert cluster.model_dump(exclude=theirs) == machine.model_dump(exclude=theirs)
    assert cluster.runtime == Runtime(kind=KUBERNETES)
    assert "include" not in tree


def test_no_value_of_a_platform_file_is_lost_by_helm(platform_file, tmp_path):
    tree = _as_go_reads(values_text(platform_file))
    found = rendered({**example("one-node"), **tree, "users": {"images": {"eso": "bowerbird/eso:0.1.0"}}})
    (text,) = (each["data"]["platform.yaml"] for each in found if each["metadata"]["name"] == "bowerbird-platform")
    (tmp_path / "in-the-cluster.yaml").write_text(text)
    assert load(tmp_path / "in-the-cluster.yaml").model_dump(exclude={"storage", "runtime"}) == load(platform_file).model_dump(
        exclude={"storage", "runtime"}
    )


def test_nothing_null_is_written(platform_file):
    assert None not in values_of(platform_file)["limits"].values()
    assert values_of(platform_file)["limits"]["idle"] == "never"


def test_render_takes_a_platform_file_beside_what_the_cluster_has(platform_file, tmp_path, monkeypatch):
    monkeypatch.setenv("BOWERBIRD_ROOT", str(ROOT))
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(f'{INGRESS}\ndata: {DATA}\nusers: {{images: {{eso: "bowerbird/eso:0.1.0"}}}}\n')
    result = CliRunner().invoke(cli, ["render", "-f", str(platform_file), "-f", str(cluster), "--namespace", "science"])
    assert result.exit_code == 0, result.output
    found = [each for each in yaml.safe_load_all(result.output) if each]
    assert {"science", "science-bowerbird"} & {str(each["metadata"].get("namespace")) for each in found}


def test_a_mistake_of_the_platform_file_is_told_with_its_own_line(platform_file, tmp_path):
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(f"{INGRESS}\ndata: {DATA}\nusers: {USERS}\n")
    result = CliRunner().invoke(cli, ["render", "-f", str(platform_file), "-f", str(cluster)])
    assert result.exit_code == 1
    assert (
        result.output
        == f"{platform_file}:6: profile 'minimal' uses environment 'eso', which has no image in users.images; defined: 'lab'\n"
    )


def test_a_platform_file_alone_is_told_what_the_cluster_has_to_say(platform_file):
    result = CliRunner().invoke(cli, ["render", "-f", str(platform_file)])
    assert result.exit_code == 1
    what = "this is a platform file, which does not say what the cluster has"
    remedy = "name a values file with ingress, data and users too: -f cluster.yaml (docs/k3s.md has one)"
    assert result.output == f"{platform_file}:1: {what}; {remedy}\n"


def test_an_empty_values_file_is_told_how_one_begins(platform_file, tmp_path):
    (tmp_path / "cluster.yaml").write_text("# nothing yet\n")
    result = CliRunner().invoke(cli, ["render", "-f", str(platform_file), "-f", str(tmp_path / "cluster.yaml")])
    assert result.exit_code == 1
    assert f"{tmp_path}/cluster.yaml:1: the file is empty; begin its lines with keys such as 'platform:'\n" in result.output
    assert "bowerbird: 1" not in result.output


@pytest.mark.parametrize(
    ("option", "name", "longest"),
    [("--release", "Bad Name", 53), ("--release", "a" * 54, 53), ("-n", "Bad_NS", 63), ("-n", "", 63), ("-n", "a-", 63)],
)
def test_a_name_that_kubernetes_refuses_is_refused(option, name, longest):
    result = CliRunner().invoke(cli, ["render", "-f", str(CHART / "examples" / "trial.yaml"), option, name])
    assert result.exit_code == 2
    assert f"{name!r} is no name on a cluster; one has 1 to {longest} small letters, digits and '-'" in result.output


def test_without_helm_the_command_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("bowerbird_config.chart.helm.find_spec", lambda name: None)
    result = CliRunner().invoke(cli, ["render", "-f", str(CHART / "examples" / "trial.yaml")])
    assert result.exit_code == 2
    assert result.output.startswith("there is no Helm here, which makes the manifests; put the program 'helm' on PATH")
    uv, *_, option, python, package = shlex.split(result.output.rpartition("for this command: ")[2])
    assert (option, python, package) == ("--python", f"{sys.prefix}/bin/python", "helm-python-sdk")
    assert shutil.which(uv), "the line can be followed"


def test_a_values_type_made_in_code_is_held_to_the_same():
    wrong = example("one-node") | {"demoCas": {"enabled": True}}
    with pytest.raises(ValueError, match="the demo CAS server is asked for"):
        Values.model_validate(wrong)


def test_the_page_about_k3s_has_values_that_are_right(tmp_path):
    page = (ROOT / "docs" / "k3s.md").read_text()
    (text,) = re.findall(r"```yaml\n# cluster.yaml\n(.*?)```", page, re.DOTALL)
    platform, cluster = tmp_path / "platform.values.yaml", tmp_path / "cluster.yaml"
    tree = yaml.safe_load(values_text(ROOT / "config" / "default" / "platform.yaml"))
    tree["platform"]["sign_on"] = {"cas": {"url": "https://cas.example.org/cas"}}
    platform.write_text(json.dumps(tree))
    cluster.write_text(text)
    assert load_values(platform, cluster).ingress.tls.secret_name == "bowerbird-tls"
