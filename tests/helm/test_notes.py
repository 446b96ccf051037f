"""What Helm prints after an install: where the platform is, and what to do where nothing leads there."""

import pytest
from helm_python import Chart

from tests.support.charts import CHART, EXAMPLES, example, objects


def _notes(name: str) -> str:
    with Chart.load(CHART) as chart:
        found: str = chart.render(example(name), name="bowerbird", namespace="bowerbird")["bowerbird/templates/NOTES.txt"]
    return found


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("trial", "Bowerbird on trial is at http://localhost:8000/"),
        ("one-node", "Southern Survey is at https://data.survey.example.org/"),
        ("production", "Observatory is at https://data.observatory.example.org/"),
    ],
)
def test_the_first_line_is_the_address(name: str, line: str) -> None:
    assert _notes(name).splitlines()[0] == line


def test_without_an_ingress_a_port_is_forwarded_and_demo_accounts_are_read() -> None:
    assert "port-forward service/bowerbird-proxy 8000:80" in _notes("trial")
    assert "demo-accounts.txt" in _notes("trial")
    for name in ("one-node", "production"):
        assert "port-forward" not in _notes(name)
        assert "demo" not in _notes(name)


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_object_that_the_notes_name_is_there(name: str) -> None:
    notes, names = _notes(name), {each["metadata"]["name"] for each in objects(name)}
    for kind in ("service", "deployment"):
        for word in notes.split():
            if word.startswith(f"{kind}/"):
                assert word.removeprefix(f"{kind}/") in names
