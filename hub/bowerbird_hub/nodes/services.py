"""The HTTP services as the nodes know them: an identity with the ids that their pods run as. No store of people holds it."""

from bowerbird_config.identity import IdentityRecord
from bowerbird_config.user_names import SERVICES_ACCOUNT
from bowerbird_hub.chart import POD_USER

SERVICES_RECORD = IdentityRecord(version=0, name=SERVICES_ACCOUNT, uid=POD_USER, gid=POD_USER)
