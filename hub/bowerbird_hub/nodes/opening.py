"""The door for node plugins as a hub's environment describes it."""

from collections.abc import Mapping

from bowerbird_hub.nodes.door import NodeDoor, Servers, Trust
from bowerbird_hub.nodes.feed import NodeFeed
from bowerbird_hub.nodes.reviews import ApiServer, Remembering, ServiceAccount, TokenReviews
from bowerbird_hub.nodes.signatures import Signatures

_PORT, _PLUGINS, _SERVICES = "BOWERBIRD_NODE_DOOR_PORT", "BOWERBIRD_NODE_ACCOUNT", "BOWERBIRD_SERVICES_ACCOUNT"
_API = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


def door_of(
    environment: Mapping[str, str], driver: str, servers: Servers, feed: NodeFeed, services_token: str = ""
) -> tuple[NodeDoor, int]:
    """Return the door, and the port that it is to be opened at; ValueError with a sentence where the environment does not say it all.

    `driver` is the CSI driver's name, which is the audience of the plugins' and the pods' tokens; by `services_token`
    the HTTP services are known.
    """
    lacking = [name for name in (_PORT, _PLUGINS, _SERVICES, *_API) if not environment.get(name)]
    if lacking:
        raise ValueError(f"the door for node plugins cannot open: the environment has no {' and no '.join(lacking)}")
    plugin = _account(environment, _PLUGINS, "plugins'")
    services = _account(environment, _SERVICES, "services'")
    host, port = (environment[name] for name in _API)
    # Kubernetes writes an address of IPv6 without its brackets.
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    api = ApiServer(url)
    reviews = TokenReviews(api)
    trust = Trust(driver, plugin, services, reviews, Signatures(api), Remembering(reviews), services_token)
    return NodeDoor(trust, servers, feed), int(environment[_PORT])


def _account(environment: Mapping[str, str], name: str, whose: str) -> ServiceAccount:
    namespace, _, account = environment[name].partition("/")
    if not namespace or not account or "/" in account:
        raise ValueError(f"{name} is {environment[name]!r}; it is the {whose} service account, written NAMESPACE/NAME")
    return namespace, account
