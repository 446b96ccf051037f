"""What each component of the chart can be told."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from bowerbird_config.chart.base import ChartToleration, Claim, HelmModel, Named, Resources, Scheduled, promised, says
from bowerbird_config.kubernetes import Labels
from bowerbird_config.model import Frozen, FrozenDict
from bowerbird_config.platform import MachinePath, host_name, machine_path


def _database_url(url: str) -> str:
    if not url:
        return url
    parts = urlsplit(url)
    if parts.password is not None:
        raise ValueError(
            "a password stands in the address of the database; put the address into a Secret as 'url', and name it as existingSecret"
        )
    if parts.scheme != "postgresql" or not parts.hostname:
        raise ValueError(f"{url!r} is not the address of a PostgreSQL database; write it like postgresql://user@host:5432/bowerbird")
    return url


def _directory(path: str) -> str:
    return machine_path(path) if path else path


def _public_host(host: str) -> str:
    return host if host == "localhost" else host_name(host)


class Database(HelmModel):
    """A PostgreSQL database, by its address or by a Secret that holds the address under `url`; neither for our own file."""

    model_config = ConfigDict(json_schema_extra={"not": {"allOf": [says("url"), says("existingSecret")]}})

    url: Annotated[str, AfterValidator(_database_url)] = Field("", description="an address without a password")
    existing_secret: Named = Field("", description="a Secret whose key `url` is the address, password and all")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.url and self.existing_secret:
            raise ValueError("the database is named twice, by url and by existingSecret; remove one of the two")
        return self

    @property
    def given(self) -> bool:
        """Whether there is a database of the admin's."""
        return bool(self.url or self.existing_secret)


class Tls(HelmModel):
    """TLS at the Ingress. The certificate is for the host and for every name right below it: `*.host`."""

    enabled: bool = True
    secret_name: Named = Field("", description="a Secret of type kubernetes.io/tls; the Ingress controller's own certificate where empty")


class Ingress(HelmModel):
    """How the world reaches the platform: plain networking.k8s.io/v1, with k3s's Traefik as the class by default."""

    enabled: bool = Field(default=True, description="false where something else leads to the proxy, such as a Gateway or a port-forward")
    class_name: str = "traefik"
    annotations: Frozen[str, str] = Field(default_factory=FrozenDict)
    host: Annotated[str, AfterValidator(_public_host)] = Field(
        description="the platform's name; each owner's servers are at a name below it. localhost where no Ingress leads to it"
    )
    port: int = Field(0, ge=0, le=65535, strict=True, description="the port of the public address; 0 for that of http or https")
    tls: Tls = Tls()

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"enabled": {"const": True}}},
            "then": {"properties": {"host": {"not": {"const": "localhost"}}}},
        }
    )

    @model_validator(mode="after")
    def _a_name_of_ones_own(self) -> Self:
        if self.enabled and self.host == "localhost":
            raise ValueError("an Ingress cannot lead to 'localhost'; write a name as host, or enabled: false and forward a port")
        return self


class Hub(Scheduled):
    """The hub: one, since its state is in memory."""

    resources: Resources = promised("200m", "256Mi", "1Gi")
    volume: Claim = Field(Claim(), description="the hub's directory: its database where no other is named, and its back-ups")
    backups: int = Field(5, ge=0, le=100, strict=True, description="how many copies of the database are kept, one made before each upgrade")


class Proxy(Scheduled):
    """The proxy, which keeps its routes while the hub is away."""

    resources: Resources = promised("100m", "96Mi", "512Mi")


class Services(Scheduled):
    """The HTTP services: one, since one DuckDB has one writer."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [{"properties": {"database": {"not": {"anyOf": [says("url"), says("existingSecret")]}}}}]}
    )

    replicas: int = Field(
        1,
        ge=1,
        strict=True,
        json_schema_extra={"maximum": 1},
        description="more than one will take a PostgreSQL database, which is not built yet",
    )
    database: Database = Field(Database(), description="not built yet; tables and jobs are in DuckDB on the services' own volume")
    resources: Resources = promised("200m", "512Mi", "4Gi")
    ingest_resources: Resources = Field(
        promised("100m", "256Mi", "2Gi"), description="of what makes tables and surveys, beside them in their pod"
    )
    volume: Claim = Field(Claim(size="20Gi"), description="tables, surveys and jobs")

    @model_validator(mode="after")
    def _one_duckdb(self) -> Self:
        if self.database.given:
            raise ValueError(
                "the services cannot keep tables in PostgreSQL yet; remove the database: they are in DuckDB on the services' own volume"
            )
        if self.replicas > 1:
            raise ValueError(
                f"{self.replicas} replicas of the services would write one DuckDB, and PostgreSQL below them is not built yet; write 1"
            )
        return self


class DemoCas(Scheduled):
    """The demo CAS server, for demonstrations only."""

    enabled: bool = Field(default=False, description="must be true for a platform file with sign_on.demo, and only then")
    resources: Resources = promised("50m", "96Mi", "256Mi")


class Culler(Scheduled):
    """What stops idle servers, after `limits.idle` of the platform file."""

    resources: Resources = promised("10m", "64Mi", "128Mi")


class DataStorage(HelmModel):
    """Where homes, spaces and releases lie: a directory of each node, or a claim that every node reaches."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [says("hostPath"), says("existingClaim")]})

    host_path: Annotated[str, AfterValidator(_directory)] = Field(
        "", description="a directory of the nodes: for one node, or one that is mounted on all of them"
    )
    existing_claim: Named = Field("", description="a claim in the node plugin's namespace, ReadWriteMany for more than one node")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.host_path) == bool(self.existing_claim):
            found = "twice, by hostPath and by existingClaim" if self.existing_claim else "nowhere"
            raise ValueError(f"the data lie {found}; write exactly one of hostPath and existingClaim")
        return self


class Data(Scheduled):
    """The node plugin that mounts /data, and the holder that keeps its mounts: one of each a node."""

    namespace: Named = Field("", description="the namespace of both, labelled privileged; made from the release's where empty")
    create_namespace: bool = True
    storage: DataStorage
    kubelet_directory: MachinePath = Field("/var/lib/kubelet", description="the kubelet's own directory on the nodes")
    tolerations: tuple[ChartToleration, ...] = Field((ChartToleration(),), description="on every node that may have user pods")
    resources: Resources = promised("100m", "128Mi", "2Gi")
    holder_resources: Resources = promised("10m", "16Mi", "64Mi")


class PrePull(HelmModel):
    """Images are on every node before an upgrade begins."""

    enabled: bool = True
    timeout_seconds: int = Field(600, gt=0, le=86_400, strict=True, description="an upgrade fails where pulling takes longer")


class Monitoring(HelmModel):
    """What Prometheus is told; all of it is off, for its types may be unknown to the cluster."""

    annotations: bool = Field(
        default=False, description="annotate pods with prometheus.io/scrape, all but the hub, which wants the metrics-token"
    )
    service_monitor: bool = Field(default=False, description="make ServiceMonitors of the Prometheus operator")
    alerts: bool = Field(default=False, description="make a PrometheusRule with the platform's alerts")
    labels: Labels = Field(FrozenDict(), description="labels by which a Prometheus finds both")
    namespace: Named = Field("", description="where Prometheus runs: it alone may ask for figures; no other where empty")


class Secrets(HelmModel):
    """The platform's own secrets: made once by a job and kept, or all of them in a Secret of the admin's."""

    existing_secret: Named = Field(
        "", description="a Secret with proxy-token, cookie-secret, crypt-key, culler-token, services-token and metrics-token"
    )
