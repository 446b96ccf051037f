"""A pod, as kubelet, a node plugin and the hub name it to each other."""

from dataclasses import asdict, dataclass


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
