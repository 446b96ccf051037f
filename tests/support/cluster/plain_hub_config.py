"""The configuration of the stock hub that ours is measured against; read by that hub, in its pod."""

import os

c = get_config()  # type: ignore[name-defined]
c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_ip = os.environ["POD_IP"]
c.JupyterHub.db_url = "sqlite:////tmp/hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
# A server starts when its owner says so, as with ours.
c.JupyterHub.redirect_to_server = False
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
# That of ours whose server is measured.
c.KubeSpawner.profile_list = [{"slug": "minimal", "display_name": "Minimal", "default": True}]
c.KubeSpawner.image = os.environ["SERVER_IMAGE"]
c.KubeSpawner.image_pull_policy = "Never"
# The program that our own pods start from that image: it starts sooner than JupyterHub's.
c.KubeSpawner.cmd = ["-I", "/opt/bowerbird/single_user.py"]
c.Spawner.default_url = "/lab"
c.KubeSpawner.node_selector = {"kubernetes.io/hostname": os.environ["SERVER_NODE"]}
c.KubeSpawner.uid = c.KubeSpawner.gid = 1000
# What a server of ours may use by its profile, and what its node keeps free for it.
c.KubeSpawner.cpu_limit, c.KubeSpawner.cpu_guarantee = 1, 0.1
c.KubeSpawner.mem_limit, c.KubeSpawner.mem_guarantee = "1G", "512M"
c.KubeSpawner.environment = {"HOME": "/srv/home"}
c.KubeSpawner.working_dir = "/srv/home"
c.KubeSpawner.volumes = [{"name": "home", "emptyDir": {}}]
c.KubeSpawner.volume_mounts = [{"name": "home", "mountPath": "/srv/home"}]
