"""Each mistake in a values file, the sentence that it gets, and whether Helm's schema refuses it too."""

from pathlib import Path

import pytest
from bowerbird_config.chart.helm import HelmRefused
from bowerbird_config.chart.values_file import load_values
from bowerbird_config.documents import read_document
from bowerbird_config.problems import ConfigError

from tests.support.charts import rendered

GOOD = """\
platform:
  bowerbird: 1
  name: Test
  contact: help@example.org
  runtime: {kind: kubernetes}
  sign_on: {cas: {url: "https://cas.example.org/cas"}}
  teams:
    craft: {title: Craft, contact: craft@example.org}
  profiles:
    minimal: {title: Minimal, memory: 1 GiB, cpu: 1, teams: everyone}
ingress: {host: data.example.org}
data: {storage: {hostPath: /srv/bowerbird}}
users: {images: {lab: "bowerbird/base:0.1.0"}}
"""
INGRESS, DATA, USERS = (
    "ingress: {host: data.example.org}",
    "{storage: {hostPath: /srv/bowerbird}}",
    '{images: {lab: "bowerbird/base:0.1.0"}}',
)
_QUANTITY = "write it like '500m', '2' or '512Mi', in quotes"

# What is written instead of what; what is said, without the file's name; and whether Helm's schema refuses it too.
MISTAKES = {
    "unknown key at the top": (
        DATA,
        DATA + "\nhubb: {}",
        True,
        [
            "13: the values file has a key 'hubb', which is not known; did you mean 'hub'? Known: 'platform',"
            " 'images', 'secrets', 'database',"
            " 'ingress', 'hub', 'proxy', 'services', 'demoCas', 'culler', 'data', 'users' and 4 more",
        ],
    ),
    "unknown key of a component": (
        INGRESS,
        INGRESS[:-1] + ", hots: x}",
        True,
        [
            "11: ingress has a key 'hots', which is not known; did you mean 'host'?"
            " Known: 'enabled', 'className', 'annotations', 'host', 'port', 'tls'",
        ],
    ),
    "unknown key deep down": (
        DATA,
        DATA[:-2] + ", storageClas: x}}",
        True,
        [
            "12: data.storage has a key 'storageClas', which is not known; Known: 'hostPath', 'existingClaim'",
        ],
    ),
    "snake case in Helm's part": (
        INGRESS,
        INGRESS[:-1] + ", class_name: nginx}",
        True,
        [
            "11: ingress has a key 'class_name', which is not known; did you mean 'className'?"
            " Known: 'enabled', 'className', 'annotations', 'host', 'port', 'tls'",
        ],
    ),
    "camel case in the platform file": (
        "sign_on:",
        "signOn:",
        True,
        [
            "1: platform has no 'sign_on'; add 'sign_on:'",
            "6: platform has a key 'signOn', which is not known; did you mean 'sign_on'? Known: 'bowerbird',"
            " 'name', 'contact', 'sign_on', 'teams',"
            " 'profiles', 'collections', 'spaces', 'limits', 'runtime', 'storage'",
        ],
    ),
    "typo in the platform file": (
        "memory:",
        "memmory:",
        True,
        [
            "10: profiles.minimal".replace("profiles", "platform.profiles") + " has no 'memory'; add 'memory:'",
            "10: platform.profiles.minimal has a key 'memmory', which is not known; did you mean 'memory'?"
            " Known: 'title', 'description', 'environment', 'memory', 'cpu', 'processes', 'teams', 'contains', 'variables'",
        ],
    ),
    "team that is not there": (
        "teams: everyone",
        "teams: [craaft]",
        False,
        [
            "10: profile 'minimal' names team 'craaft', which is not defined; did you mean 'craft'? Defined: 'craft'",
        ],
    ),
    "an include": (
        "  bowerbird: 1",
        "  bowerbird: 1\n  include: [teams.yaml]",
        True,
        [
            "3: platform has a key 'include', which is not known; 'bowerbird render --values' writes a platform"
            " file out with all that it includes",
        ],
    ),
    "no platform": (
        GOOD[: GOOD.index("ingress")],
        "",
        True,
        [
            "1: the values file has no 'platform'; add 'platform:' (the platform file, as 'bowerbird render --values' prints it)",
        ],
    ),
    "a platform of one machine": (
        "  runtime: {kind: kubernetes}\n",
        "",
        True,
        [
            "1: platform.runtime is not a cluster's; write runtime: {kind: kubernetes}, as 'bowerbird render --values' does",
        ],
    ),
    "no host": (
        INGRESS,
        "ingress: {}",
        True,
        [
            "11: ingress has no 'host'; add 'host:' (the platform's name; each owner's servers are at a name below it."
            " localhost where no Ingress leads to it)",
        ],
    ),
    "host that is no name": (
        "data.example.org",
        "https://data.example.org/",
        False,
        [
            "11: ingress.host: 'https://data.example.org/' is not a host name; write it like data.example.org,"
            " in small letters and without a port",
        ],
    ),
    "Ingress at localhost": (
        "data.example.org",
        "localhost",
        True,
        [
            "11: ingress: an Ingress cannot lead to 'localhost'; write a name as host, or enabled: false and forward a port",
        ],
    ),
    "port that is a text": (
        INGRESS,
        INGRESS[:-1] + ', port: "443"}',
        True,
        [
            "11: ingress.port: expected a whole number, found '443'; write a whole number",
        ],
    ),
    "no place for data": (
        DATA,
        "{storage: {}}",
        True,
        [
            "12: data.storage: the data lie nowhere; write exactly one of hostPath and existingClaim",
        ],
    ),
    "two places for data": (
        DATA,
        "{storage: {hostPath: /srv/bowerbird, existingClaim: data}}",
        True,
        [
            "12: data.storage: the data lie twice, by hostPath and by existingClaim; write exactly one of hostPath and existingClaim",
        ],
    ),
    "path that is none": (
        "/srv/bowerbird",
        "srv/bowerbird",
        False,
        [
            "12: data.storage.hostPath: 'srv/bowerbird' is not a path of this machine; write it from '/' and without '..'",
        ],
    ),
    "no image": (
        USERS,
        "{}",
        True,
        [
            "13: users has no 'images'; add 'images:' (the image of each environment that a profile names; no other image runs)",
        ],
    ),
    "image without a tag": (
        "base:0.1.0",
        "base",
        False,
        [
            "13: users.images.lab: 'bowerbird/base' has no tag, so it could be another image tomorrow; write it"
            " like 'bowerbird/base:0.1.0'",
        ],
    ),
    "environment without an image": (
        "memory: 1 GiB",
        "environment: esso, memory: 1 GiB",
        False,
        [
            "10: profile 'minimal' uses environment 'esso', which has no image in users.images; Defined: 'lab'",
        ],
    ),
    "pods of no profile": (
        USERS,
        USERS[:-1] + ", profiles: {minimum: {}}}",
        False,
        [
            "13: users.profiles names profile 'minimum', which the platform does not have; did you mean 'minimal'? Defined: 'minimal'",
        ],
    ),
    "label that is ours": (
        USERS,
        USERS[:-1] + ", labels: {app.kubernetes.io/name: mine}}",
        False,
        [
            "13: users.labels: 'app.kubernetes.io/name' is a label that the platform sets itself; choose another one",
        ],
    ),
    "two writers of one DuckDB": (
        DATA,
        DATA + "\nservices: {replicas: 2}",
        True,
        [
            "13: services: 2 replicas of the services would write one DuckDB; name a PostgreSQL database as services.database, or write 1",
        ],
    ),
    "a password in an address": (
        DATA,
        DATA + "\ndatabase: {url: postgresql://hub:hunter2@db.example.org/hub}",
        False,
        [
            "13: database.url: a password stands in the address of the database; put the address into a Secret as 'url',"
            " and name it as existingSecret",
        ],
    ),
    "database that is another's": (
        DATA,
        DATA + "\ndatabase: {url: mysql://db.example.org/hub}",
        False,
        [
            "13: database.url: 'mysql://db.example.org/hub' is not the address of a PostgreSQL database;"
            " write it like postgresql://user@host:5432/bowerbird",
        ],
    ),
    "database named twice": (
        DATA,
        DATA + "\ndatabase: {url: postgresql://db.example.org/hub, existingSecret: db}",
        True,
        [
            "13: database: the database is named twice, by url and by existingSecret; remove one of the two",
        ],
    ),
    "a secret written out": (
        DATA,
        DATA + "\nhub: {cookieSecret: hunter2}",
        True,
        [
            "13: hub has a key 'cookieSecret', which is not known; secrets never stand in the values file: remove it",
        ],
    ),
    "Secret with an impossible name": (
        DATA,
        DATA + "\nsecrets: {existingSecret: Bower_Secrets}",
        False,
        [
            "13: secrets.existingSecret: 'Bower_Secrets' is not a name that an object of Kubernetes can have;"
            " write it like 'bowerbird-users'",
        ],
    ),
    "quantity with our unit": (
        DATA,
        DATA + '\nhub: {volume: {size: "1 GiB"}}',
        True,
        [
            f"13: hub.volume.size: '1 GiB' is not a quantity of Kubernetes; {_QUANTITY}",
        ],
    ),
    "quantity that is a number": (
        DATA,
        DATA + "\nproxy: {resources: {limits: {cpu: 2}}}",
        True,
        [
            "13: proxy.resources.limits.cpu: expected a text, found 2; put it in quotes: '2'",
        ],
    ),
    "demo accounts that nobody asked for": (
        '{cas: {url: "https://cas.example.org/cas"}}',
        "{demo: {accounts: {ann: {title: Ann}}}}",
        True,
        [
            "6: the platform has demo accounts, and the demo CAS server is not asked for;"
            " name a CAS server under sign_on.cas, or write demoCas: {enabled: true}",
        ],
    ),
    "a demo server without accounts": (
        DATA,
        DATA + "\ndemoCas: {enabled: true}",
        True,
        [
            "13: the demo CAS server is asked for, and the platform has no demo accounts; remove it, or add platform.sign_on.demo",
        ],
    ),
    "nothing for never": (
        "  teams:\n",
        "  limits: {idle: null}\n  teams:\n",
        False,
        [
            "7: Helm drops platform.limits.idle, which is null; write 'never'",
        ],
    ),
    "truth value without quotes": (
        "name: Test",
        "name: yes",
        True,
        [
            "3: Helm takes 'yes' for a truth value where it stands without quotes; write 'yes', or true or false",
        ],
    ),
    "network with a bit too many": (
        DATA,
        DATA + "\nnetworkPolicy: {users: {networks: [10.1.2.3/16]}}",
        False,
        [
            "13: networkPolicy.users.networks[0]: '10.1.2.3/16' is not a network;"
            " write it like 10.43.0.0/16 or fd00::/8, with no bit set behind its length",
        ],
    ),
    "network that holds a cloud's secrets": (
        DATA,
        DATA + "\nnetworkPolicy: {users: {networks: [169.0.0.0/8]}}",
        False,
        [
            "13: user pods would reach 169.0.0.0/8, of which a part is in networkPolicy.closed; name the"
            " networks of your own machines, and no larger one",
        ],
    ),
    "one namespace for both": (DATA, "{namespace: both, storage: {hostPath: /srv}}\nusersX", False, None),
    "tolerance of nothing": (
        USERS,
        USERS[:-1] + ", tolerations: [{operator: Equal, key: gpu}]}",
        False,
        [
            "13: users.tolerations[0]: a toleration with 'Equal' needs a key and a value; add both, or write operator: Exists",
        ],
    ),
    "a list for a mapping": (
        DATA,
        DATA + "\nhub: [1]",
        True,
        [
            "13: hub: expected a mapping, found a list; write its keys below it, indented by two spaces",
        ],
    ),
    "not YAML": ("ingress:", "ingress: {", True, None),
}
WITH_WORDS = {name: mistake for name, mistake in MISTAKES.items() if mistake[3] is not None}


def _written(folder: Path, old: str, new: str) -> Path:
    assert old in GOOD
    file = folder / "values.yaml"
    file.write_text(GOOD.replace(old, new, 1))
    return file


def test_the_file_without_a_mistake_is_right(tmp_path):
    assert load_values(_written(tmp_path, "Test", "Test")).platform.name == "Test"


def test_there_are_thirty_mistakes():
    assert len(WITH_WORDS) >= 30


@pytest.mark.parametrize("name", WITH_WORDS)
def test_a_mistake_gets_its_sentence(name, tmp_path):
    old, new, _, sentences = WITH_WORDS[name]
    with pytest.raises(ConfigError) as caught:
        load_values(_written(tmp_path, old, new))
    assert str(caught.value).replace(f"{tmp_path}/values.yaml:", "").splitlines() == sentences


def test_a_namespace_is_not_restricted_and_privileged_at_once(tmp_path):
    file = tmp_path / "values.yaml"
    file.write_text(
        GOOD.replace(DATA, "{namespace: both, storage: {hostPath: /srv}}").replace(USERS, "{namespace: both, images: {lab: a:1}}")
    )
    with pytest.raises(ConfigError, match="13: user pods and the node plugin would share a namespace"):
        load_values(file)


def test_a_file_that_is_no_yaml_says_where(tmp_path):
    with pytest.raises(ConfigError, match=r"values\.yaml:1[1-4]: this is not YAML"):
        load_values(_written(tmp_path, "ingress:", "ingress: {"))


@pytest.mark.parametrize("name", [name for name, mistake in WITH_WORDS.items() if mistake[2] and name != "truth value without quotes"])
def test_helm_refuses_it_too(name, tmp_path):
    old, new, _, _ = WITH_WORDS[name]
    tree = read_document(_written(tmp_path, old, new)).value
    with pytest.raises(HelmRefused, match="values don't meet the specifications of the schema"):
        rendered(tree)
