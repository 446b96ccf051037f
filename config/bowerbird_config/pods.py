"""A pod, as kubelet, a node plugin and the hub name it to each other."""

from dataclasses import asdict, dataclass

# Files of a server's volume, which the hub and the node plugin agree on: JSON that says how many `processes` a pod may have,
# and what its user is to be told at once.
LIMITS, NEWS = "limits.json", "news.json"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod; a name is used again when its pod is gone, and a uid never."""

    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def to_json(self) -> dict[str, str]:
        """Return it as it travels."""
        return asdict(self)
