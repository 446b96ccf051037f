"""The hub's own configuration, with the tests' sign-on in the place of CAS."""

from bowerbird_hub.configure import from_environment

from tests.support.named_sign_on import NamedSignOn

c = get_config()  # type: ignore[name-defined]
from_environment(c)
c.JupyterHub.authenticator_class = NamedSignOn
c.NamedSignOn.live = c.CASAuthenticator.live
