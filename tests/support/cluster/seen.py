"""What people see of the platform: whether the hub and their lab answer, and what the page tells them."""

import html
from contextlib import suppress

import httpx

from tests.support.hub import Person
from tests.support.session import Session


def lab_answers(person: Person) -> bool:
    """Tell whether a person's server answers them."""
    with suppress(httpx.HTTPError):
        return person.server_api("GET", "status").status_code == httpx.codes.OK
    return False


def lab_opens(person: Person) -> bool:
    """Tell whether the page of a person's server opens, as in a browser: one that was started anew asks the hub again who they are."""
    with suppress(httpx.HTTPError):
        person.client.get(Session(person.hub.url, person.name, person.client).own("lab"))
        return lab_answers(person)
    return False


def hub_answers(person: Person) -> bool:
    """Tell whether the hub answers, and knows them."""
    with suppress(httpx.HTTPError):
        page = person.get("hub/home")
        return (page.status_code, page.url.path) == (httpx.codes.OK, "/hub/home")
    return False


def is_told(person: Person, words: str) -> bool:
    """Tell whether their page has some words."""
    return words in html.unescape(person.get("hub/home").text)
