"""Every parameter of every address: missing, twice, huge, of the wrong kind. The answer is a refusal in words or an answer."""

from urllib.parse import quote, urlencode

import httpx
import pytest

from tests.services.test_tap_async import create_job

ODD = [
    "", " ", "NaN", "inf", "-inf", "1e999", "-1", "0x10", "1_000", "9" * 400, "9" * 5000, "-" + "9" * 400, "\0", "\x1b[2J", "\U0001f600",
    "\u0661\u0662", "' OR 1=1 --", '"; DROP TABLE demo.stars; --', "<a>&b;</a>", "%00", "../../etc/passwd", "null", "x" * 5000,
]  # fmt: skip
SYNC = {"LANG": "ADQL", "QUERY": "SELECT 1 AS one", "REQUEST": "doQuery", "VERSION": "1.1", "MAXREC": "1", "RESPONSEFORMAT": "csv"}
SYNC |= {"FORMAT": "csv", "UPLOAD": "", "RUNID": "a"}
JOB = {"WAIT": "0", "PHASE": "", "RUNID": "a", "DESTRUCTION": "2030-01-01T00:00:00Z", "EXECUTIONDURATION": "10", "ACTION": ""}
CONE = {"RA": "10", "DEC": "-20", "SR": "1", "VERB": "2", "MAXREC": "5", "RESPONSEFORMAT": "votable"}
LIST = {"PHASE": "RUN", "AFTER": "2020-01-01T00:00:00Z", "LAST": "1"}


def sane(answer: httpx.Response) -> None:
    assert answer.status_code < 500 or answer.status_code == 503, answer.text[:500]
    assert answer.status_code >= 200
    assert "Traceback" not in answer.text
    assert len(answer.content) < 20_000


@pytest.mark.parametrize(
    ("method", "path", "good"),
    [
        ("GET", "/tap/sync", SYNC),
        ("POST", "/tap/sync", SYNC),
        ("POST", "/tap/async", {**SYNC, **JOB}),
        ("GET", "/tap/async", LIST),
        ("GET", "/scs/demo/stars", CONE),
        ("GET", "/tap/tables", {"DETAIL": "min"}),
    ],
)
def test_no_value_of_a_parameter_breaks_an_answer(client: httpx.Client, method: str, path: str, good: dict[str, str]) -> None:
    def asked(pairs: list[tuple[str, str]]) -> httpx.Response:
        if method == "GET":
            return client.get(f"{path}?{urlencode(pairs)}")
        return client.post(path, content=urlencode(pairs), headers={"Content-Type": "application/x-www-form-urlencoded"})

    for name, usual in good.items():
        others = [(key, value) for key, value in good.items() if key != name]
        sane(asked(others))
        sane(asked([*others, (name, usual), (name, usual)]))
        for value in ODD:
            sane(asked([*others, (name, value)]))


def test_no_value_breaks_a_part_of_a_job(client: httpx.Client) -> None:
    job = create_job(client)
    for part in ("phase", "destruction", "executionduration", "parameters", "quote", "owner", "results", "error", "x" * 5000):
        for value in ODD:
            sane(client.get(f"{job}/{part}", params={"WAIT": value, "PHASE": value}))
            sane(client.post(f"{job}/{part}", data={part.upper()[:50]: value}))
    sane(client.get(job))


@pytest.mark.parametrize("path", ["/tap/tables/", "/tap/async/", "/scs/", "/scs/demo/"])
def test_no_name_breaks_an_address(client: httpx.Client, path: str) -> None:
    for value in ODD:
        sane(client.get(path + quote(value)))
