"""What a cluster says of user pods: what is taken, what is refused, and with which words."""

from pathlib import Path

import pytest
from bowerbird_config.load import ConfigError, load_pod_settings
from bowerbird_config.pod_settings import PodSettings
from pydantic import ValidationError

LEAST = """
namespace: bowerbird-users
hub_url: http://hub.bowerbird.svc:8081/
driver: data.bowerbird.example.org
images: {lab: registry.example.org/bowerbird/base:0.1.0}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "pods.yaml"
    file.write_text(text)
    return file


def test_least_file_says_where_and_what(tmp_path):
    settings = load_pod_settings(written(tmp_path, LEAST))
    assert settings.namespace == "bowerbird-users"
    assert settings.hub_url == "http://hub.bowerbird.svc:8081"
    assert settings.images == {"lab": "registry.example.org/bowerbird/base:0.1.0"}
    assert settings.label("team") == "bowerbird.example.org/team"


def test_what_was_read_is_what_is_written_as_json(tmp_path):
    settings = load_pod_settings(written(tmp_path, LEAST + "scratch: 1 GiB\n"))
    assert load_pod_settings(written(tmp_path, settings.model_dump_json())) == settings


def test_profile_adds_to_what_all_pods_have(tmp_path):
    more = """
node_selector: {disk: ssd, zone: a}
tolerations: [{key: users}]
requests: {memory: 0.25, cpu: 0.25}
profiles:
  large:
    node_selector: {zone: b}
    tolerations: [{key: large, operator: Equal, value: "yes", effect: NoSchedule}]
    requests: {memory: 1, cpu: 1}
  small: {}
"""
    settings = load_pod_settings(written(tmp_path, LEAST + more))
    assert settings.placement("large").node_selector == {"disk": "ssd", "zone": "b"}
    assert [toleration.key for toleration in settings.placement("large").tolerations] == ["users", "large"]
    assert settings.placement("small") == settings.placement("no such") != settings.placement("large")
    assert (settings.requests_of("large").memory, settings.requests_of("small").memory) == (1, 0.25)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("namespace: Users", "namespace: 'Users' is not a name that an object of Kubernetes can have; write it like 'bowerbird-users'"),
        (f"namespace: {'a' * 64}", "is not a name that an object of Kubernetes can have"),
        ("hub_url: hub:8081", "hub_url: 'hub:8081' is not an address of the hub; write it like http://hub.bowerbird.svc:8081"),
        ("hub_url: http://me:secret@hub:8081", "is not an address of the hub"),
        ("driver: data_plugin", "driver: 'data_plugin' is not the name of a CSI driver"),
        ("images: {}", "images:"),
        ("images: {lab: base}", "images.lab: 'base' has no tag, so it could be another image tomorrow; write it like 'base:0.1.0'"),
        ("images: {lab: 'base:0.1.0 --privileged'}", "images.lab: 'base:0.1.0 --privileged' is not an image"),
        ("images: {lab: 'base:0.1.0@sha256:12'}", "is not an image"),
        ("images: {Lab: 'base:0.1.0'}", "'Lab' cannot be a name here"),
        ("python: 3.11", "python:"),
        ("python: '2.7'", "'2.7' is not a version of Python; write it like '3.11', in quotes"),
        ("pull_policy: Sometimes", "pull_policy:"),
        ("labels: {app.kubernetes.io/name: x}", "'app.kubernetes.io/name' is a label that the platform sets itself; choose another one"),
        ("labels: {bowerbird.example.org/team: x}", "is a label that the platform sets itself"),
        ("labels: {cost: 'two words'}", "'two words' is not the value of a label"),
        ("labels: {'a/b/c': x}", "'a/b/c' is not the key of a label"),
        ("node_selector: {-disk: ssd}", "'-disk' is not the key of a label"),
        ("tolerations: [{operator: Equal, key: a}]", "a toleration with 'Equal' needs a key and a value"),
        ("tolerations: [{key: a, value: b}]", "a toleration with 'Exists' has no value; remove 'b', or write operator: Equal"),
        ("tolerations: [{key: a, seconds: 5}]", "a toleration has seconds only with the effect NoExecute"),
        ("requests: {memory: 2}", "requests.memory:"),
        ("requests: {cpu: 0}", "requests.cpu:"),
        ("scratch: 4", "4 has no unit"),
        ("privileged: true", "privileged: "),
        ("profiles: {large: {image: 'other:1'}}", "profiles.large.image: "),
    ],
)
def test_wrong_setting_is_told_with_its_line(tmp_path, wrong, words):
    key = wrong.partition(":")[0]
    kept = "".join(f"{line}\n" for line in LEAST.splitlines() if not line.startswith(f"{key}:"))
    file = written(tmp_path, f"{kept}{wrong}\n")
    with pytest.raises(ConfigError) as error:
        load_pod_settings(file)
    (problem,) = error.value.problems
    assert words in str(problem)
    assert problem.place.line == len(file.read_text().splitlines())


@pytest.mark.parametrize("text", ["", "- a list\n", "namespace: [\n"])
def test_what_is_no_mapping_is_told(tmp_path, text):
    with pytest.raises(ConfigError):
        load_pod_settings(written(tmp_path, text))


@pytest.mark.parametrize(
    "image",
    [
        "base:1",
        "localhost/base:1",
        "localhost:5000/base:1",
        "registry.example.org/a/b_c/d__e:v1.2-rc",
        f"base@sha256:{'0' * 64}",
        f"base:1@sha256:{'0' * 64}",
    ],
)
def test_names_of_images_are_taken(image):
    PodSettings(namespace="a", hub_url="http://hub:8081", driver="d", images={"lab": image})


@pytest.mark.parametrize("image", ["Base:1", "base:", "base:1\n", "/base:1", "base//x:1", "b" * 600 + ":1", "base:1,other:2", "$(X):1"])
def test_what_is_no_name_of_an_image_is_refused(image):
    with pytest.raises(ValidationError):
        PodSettings(namespace="a", hub_url="http://hub:8081", driver="d", images={"lab": image})
