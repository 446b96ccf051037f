"""A values file without a mistake, for each test to make one; and what a mistake is told by."""

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

# What is written instead of what; whether Helm's schema refuses it too; and what is said, without the file's name.
Mistakes = dict[str, tuple[str, str, bool, list[str]]]
