"""Tables and surveys of a platform's releases, kept as the releases are: on one machine and on a cluster alike.

`making` says what is made and what changes when it is to be made anew, `keeping` makes it then, by the programs of the
services, which `program` runs. Where they run is each runtime's own: a sandbox of the hub's, or the services' pod.
"""
