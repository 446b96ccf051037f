"""Names of objects and values of labels of Kubernetes for people, servers and profiles: one rule for all. Pure."""

from kubespawner.slugs import is_valid_label, multi_slug, safe_slug

# Room for a word of ours before it in the 63 characters of a name.
_LONGEST = 48


def object_name(word: str, owner: str, server: str = "") -> str:
    """Return the name of an object that belongs to one server of an owner: valid, and the same for no other server."""
    return f"{word}-{multi_slug([owner, server], max_length=_LONGEST) if server else safe_slug(owner, max_length=_LONGEST)}"


def host_name(text: str) -> str:
    """Return a text as the name of a machine."""
    return str(safe_slug(text, max_length=_LONGEST))


def label_value(text: str) -> str:
    """Return a text as the value of a label."""
    return str(safe_slug(text, is_valid=is_valid_label, max_length=63))
