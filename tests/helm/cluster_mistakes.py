"""Mistakes in what the values say of a cluster: Helm's own part."""

from tests.helm.good_values import DATA, INGRESS, USERS, Mistakes

_QUANTITY = "write it like '500m', '2' or '512Mi', in quotes"

MISTAKES: Mistakes = {
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
            "12: data.storage has a key 'storageClas', which is not known; known: 'hostPath', 'existingClaim'",
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
            "13: services: 2 replicas of the services would write one DuckDB, and PostgreSQL below them is not built yet; write 1",
        ],
    ),
    "services on PostgreSQL": (
        DATA,
        DATA + "\nservices: {replicas: 2, database: {existingSecret: services}}",
        True,
        [
            "13: services: the services cannot keep tables in PostgreSQL yet; remove the database: they are in DuckDB"
            " on the services' own volume",
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
}
