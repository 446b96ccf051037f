"""Which names may be users: one rule for the platform file and the sign-on, with the sentence for those that may not."""

import re

MAX_NAME_CHARACTERS = 64
# A team's own account, which owns its servers, is this and the team's name; no person may have such a name.
TEAM_ACCOUNT = "team-"
# The account of the platform's own HTTP services, which read every release.
SERVICES_ACCOUNT = "service-vo"
RESERVED_PREFIXES = (TEAM_ACCOUNT, "bowerbird-", "service-")
# Names of the sandbox's own passwd and group files, and words that the hub's URLs use in a user's place.
RESERVED_NAMES = frozenset({"root", "nobody", "nogroup", "daemon", "self", "everyone", "anonymous"})
_ALLOWED = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")
_FORBIDDEN_CHARACTER = re.compile(r"[^A-Za-z0-9_.@+-]")


def _shown(name: str) -> str:
    """Return a name as logs and pages may show it: short, with nothing that a terminal or a log obeys."""
    return ascii(name if len(name) <= MAX_NAME_CHARACTERS else name[:24] + "...")


def user_name(text: str) -> str:
    """Return the name under which the hub knows a user; ValueError for one that no user may have."""
    name = text.strip()
    wrong = fault(name)
    if wrong is not None:
        raise ValueError(f"{wrong}; write the name that somebody signs in with")
    return name.lower()  # the hub's names are lower case, whatever the directory's are


def fault(name: str) -> str | None:
    """Return what is wrong with a directory's name, in words; None where it may be a user."""
    shown = _shown(name)
    if not name:
        return "the name is empty"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"the name {shown} has {len(name)} characters, more than the {MAX_NAME_CHARACTERS} that a user's name may have"
    # Asked before lower case is: some characters outside ASCII turn into letters inside it, and would take another's name.
    odd = _FORBIDDEN_CHARACTER.search(name)
    if odd is not None:
        return f"the name {shown} contains {odd[0]!a}; a user's name is made of letters a-z, digits and . _ @ + -"
    if not _ALLOWED.fullmatch(name):
        return f"the name {shown} begins with {name[0]!r}; a user's name begins with a letter, a digit or _"
    return _reserved(name.lower(), shown)


def _reserved(name: str, shown: str) -> str | None:
    if name in RESERVED_NAMES:
        return f"the name {shown} is kept for the platform itself"
    for prefix in RESERVED_PREFIXES:
        if name.startswith(prefix):
            return f"the name {shown} begins with '{prefix}', which is kept for accounts that the platform makes"
    return None
