"""The hub's door for the node plugins of a cluster (bowerbird_fuse.csi): whose pod is this, the identity feed, lost open files.

Who builds the Kubernetes runtime opens it, where `servers` (door.Servers) is its record of the pods that it made:

    door, port = opening.door_of(os.environ, settings.driver, servers, live.node_feed)
    door.open(port)

Nobody but the node plugins needs to reach its port.
"""
