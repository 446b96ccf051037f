"""Each mistake in a values file, the sentence that it gets, and whether Helm's schema refuses it too."""

from pathlib import Path
from textwrap import dedent

import pytest
from bowerbird_config.chart.helm import HelmRefused
from bowerbird_config.chart.values_file import load_values
from bowerbird_config.documents import read_document
from bowerbird_config.problems import ConfigError

from tests.helm import cluster_mistakes, platform_mistakes
from tests.helm.good_values import DATA, GOOD, INGRESS, USERS
from tests.support.charts import rendered

MISTAKES = {**platform_mistakes.MISTAKES, **cluster_mistakes.MISTAKES}


def _written(folder: Path, old: str, new: str) -> Path:
    assert old in GOOD
    file = folder / "values.yaml"
    file.write_text(GOOD.replace(old, new, 1))
    return file


def test_the_file_without_a_mistake_is_right(tmp_path):
    assert load_values(_written(tmp_path, "Test", "Test")).platform.name == "Test"


def test_there_are_thirty_mistakes():
    assert len(MISTAKES) >= 30


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_its_sentence(name, tmp_path):
    old, new, _, sentences = MISTAKES[name]
    with pytest.raises(ConfigError) as caught:
        load_values(_written(tmp_path, old, new))
    assert str(caught.value).replace(f"{tmp_path}/values.yaml:", "").splitlines() == sentences


def test_a_namespace_is_not_restricted_and_privileged_at_once(tmp_path):
    file = tmp_path / "values.yaml"
    file.write_text(
        GOOD.replace(DATA, "{namespace: both, storage: {hostPath: /srv}}").replace(USERS, "{namespace: both, images: {lab: a:1}}")
    )
    with pytest.raises(ConfigError, match="13: user pods and the node plugin would share a namespace"):
        load_values(file)


def test_what_is_lacking_is_told_of_the_values_file_and_not_of_the_platform_file(tmp_path):
    platform, values = tmp_path / "good.yaml", tmp_path / "cluster_bad.yaml"
    platform.write_text(dedent(GOOD.partition("\n")[2].partition("ingress:")[0]))
    values.write_text(f"{INGRESS.replace('ingress', 'ingres')}\ndata: {DATA}\nusers: {USERS}\n")
    with pytest.raises(ConfigError) as caught:
        load_values(platform, values)
    said = [str(problem) for problem in caught.value.problems]
    assert {problem.place.file for problem in caught.value.problems} == {values}
    assert any(f"{values}:1: the values file has no 'ingress'" in line for line in said)
    assert any("has a key 'ingres', which is not known" in line for line in said)


def test_a_file_that_is_no_yaml_says_where(tmp_path):
    with pytest.raises(ConfigError, match=r"values\.yaml:1[1-4]: this is not YAML"):
        load_values(_written(tmp_path, "ingress:", "ingress: {"))


@pytest.mark.parametrize("name", [name for name, mistake in MISTAKES.items() if mistake[2] and name != "truth value without quotes"])
def test_helm_refuses_it_too(name, tmp_path):
    old, new, _, _ = MISTAKES[name]
    tree = read_document(_written(tmp_path, old, new)).value
    with pytest.raises(HelmRefused, match="values don't meet the specifications of the schema"):
        rendered(tree)
