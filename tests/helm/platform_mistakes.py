"""Mistakes in the platform file that stands in the values, and where the two do not fit."""

from tests.helm.good_values import DATA, GOOD, Mistakes

MISTAKES: Mistakes = {
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
    "environment without an image": (
        "memory: 1 GiB",
        "environment: esso, memory: 1 GiB",
        False,
        [
            "10: profile 'minimal' uses environment 'esso', which has no image in users.images; defined: 'lab'",
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
}
