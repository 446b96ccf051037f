"""What tests ask of the platform's tables with: a query, and a token of a person who has signed in."""

from tests.support.hub import Person

SCOPE = "access:services!service=vo"
COUNT = "SELECT COUNT(*) AS n FROM sky_{}.stars"


def token(person: Person, scope: str = SCOPE, seconds: int = 600) -> tuple[str, str]:
    """Return a new token, and its id."""
    answer = person.api("POST", f"users/{person.name}/tokens", {"note": "for tests", "expires_in": seconds, "scopes": [scope]})
    assert answer.status_code == 201, answer.text
    return answer.json()["token"], answer.json()["id"]
