"""Settings of clusters: the `[cluster]` table of a TOML file.

There is one class for each kind of cluster, so a key that does not belong to the given kind is an
error. The cluster is not part of a campaign: it enters none of its digests, and a campaign can be
continued on another cluster.
"""

import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from screener.errors import ConfigError
from screener.stores.toml import read_toml

LOOPBACK = "127.0.0.1"

Kind = Literal["local", "address", "slurm", "kubernetes", "cuda"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")  # a misspelt key is an error


class _Secured(_Table):
    """TLS settings of every kind but Kubernetes, where a network policy keeps others out.

    The three files are given together or not at all. With them, scheduler, workers and client prove
    their identity and encrypt their connections.

    Args:
        tls_ca_file: PEM file of the authority that signed the certificates.
        tls_cert: PEM file of the certificate.
        tls_key: PEM file of its private key.
    """

    tls_ca_file: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None

    @model_validator(mode="after")
    def _has_all_of_tls(self) -> Self:
        given = [name for name in self.tls_files() if getattr(self, name) is not None]
        missing = [name for name in self.tls_files() if name not in given]
        if given and missing:
            raise ValueError(f"{given[0]} wants {' and '.join(missing)} as well")
        return self

    @staticmethod
    def tls_files() -> tuple[str, ...]:
        """Names of the settings that must be given together."""
        return ("tls_ca_file", "tls_cert", "tls_key")


class LocalSettings(_Secured):
    """Worker processes on this machine, one thread each.

    Args:
        workers: how many; by default one per CPU that this process may use.
        host: address of this machine on which scheduler and workers listen.
    """

    kind: Literal["local"] = "local"
    workers: PositiveInt | None = None
    host: str = LOOPBACK


class AddressSettings(_Secured):
    """A scheduler that is already running.

    Args:
        address: an address such as `tcp://host:8786`, or the path of a scheduler file (`.json`).
    """

    kind: Literal["address"] = "address"
    address: str


class SlurmPool(_Table):
    """A pool of equal Slurm jobs.

    Its size is either fixed (`workers`) or between `minimum` and `maximum`, as there is work.

    Args:
        workers: number of workers, at all times.
        minimum: fewest workers of a pool that grows and shrinks.
        maximum: most workers of such a pool.
        workers_per_job: worker processes in one job, which runs on one node; on a node with several
            GPUs each worker gets one.
        partition: Slurm's partition; by default Slurm's own default.
        account: account that the time is charged to; by default the user's own.
        memory: memory of one worker, such as `4G`; a job asks for `workers_per_job` times as much.
        walltime: time limit of a job, `HH:MM:SS` or `D-HH:MM:SS`; workers leave before it is over,
            between two units.
        gres: generic resources of the whole job, such as `gpu:1`.
        directives: further options of `sbatch`, such as `--constraint=a100`.
    """

    workers: PositiveInt | None = None
    minimum: PositiveInt | None = None
    maximum: PositiveInt | None = None
    workers_per_job: PositiveInt = 1
    partition: str | None = None
    account: str | None = None
    memory: str = "4G"
    walltime: str = "12:00:00"
    gres: str | None = None
    directives: tuple[str, ...] = ()

    @field_validator("memory")
    @classmethod
    def _is_memory(cls, text: str) -> str:
        if not re.fullmatch(r"[1-9]\d*[MG]", text):
            raise ValueError(f"{text!r} is not a size such as 4G or 3500M")
        return text

    @field_validator("walltime")
    @classmethod
    def _is_time(cls, text: str) -> str:
        if not re.fullmatch(r"(\d+-)?\d{1,2}:\d{2}:\d{2}", text):
            raise ValueError(f"{text!r} is not a time such as 12:00:00 or 2-00:00:00")
        return text

    @field_validator("directives")
    @classmethod
    def _are_options(cls, directives: tuple[str, ...]) -> tuple[str, ...]:
        for text in directives:
            if not text.startswith("-") or "\n" in text:
                raise ValueError(f"{text!r} is not an option of sbatch, such as --constraint=a100")
        return directives

    @model_validator(mode="after")
    def _has_one_size(self) -> Self:
        if self.workers is not None and (self.minimum or self.maximum):
            raise ValueError("say workers, or minimum and maximum, not both")
        if self.workers is None and (self.minimum is None or self.maximum is None):
            raise ValueError("say how many: workers = 8, or minimum = 1 and maximum = 64")
        if self.minimum and self.maximum and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is larger than maximum {self.maximum}")
        return self

    @property
    def walltime_seconds(self) -> int:
        """The wall time of a job in seconds."""
        days, _, clock = self.walltime.rpartition("-")
        hours, minutes, seconds = map(int, clock.split(":"))
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds

    @property
    def memory_mebibytes(self) -> int:
        """The memory of one worker in MiB."""
        return int(self.memory[:-1]) * (1024 if self.memory[-1] == "G" else 1)


class SlurmSettings(_Secured):
    """Slurm jobs as workers; scheduler and command run on this machine, such as a login node.

    Args:
        cpu: the pool for chemistry.
        gpu: the pool for inference; without it, chemistry and inference of a unit are one task.
        interface: network interface through which the nodes reach this machine and one another,
            such as `ib0`.
        host: given instead of `interface`: the address of this machine on which the scheduler
            listens.
        log_folder: folder for the logs of the jobs, on a file system that the nodes share.
        prologue: lines of shell that every job runs before its workers start, such as `module load
            cuda`.
    """

    kind: Literal["slurm"] = "slurm"
    cpu: SlurmPool
    gpu: SlurmPool | None = None
    interface: str | None = None
    host: str | None = None
    log_folder: str = "screener-workers"
    prologue: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if (self.interface is None) == (self.host is None):
            raise ValueError(
                "say either interface (such as 'ib0') or host, at which the nodes reach the "
                "scheduler on this machine; `ip -brief address` lists both"
            )
        return self


class KubernetesPool(_Table):
    """A pool of equal pods with one worker each.

    Args:
        workers: how many pods.
        cpus: CPUs of one pod.
        memory: memory of one pod, as Kubernetes writes it.
        gpus: GPUs of one pod, requested as `nvidia.com/gpu`.
        node_selector: labels of the nodes that may be used.
        tolerations: tolerations, as in a pod's specification.
    """

    workers: PositiveInt
    cpus: PositiveInt = 1
    memory: str = "4Gi"
    gpus: Literal[0, 1] = 0
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, str], ...] = ()


class KubernetesSettings(_Table):
    """Pods of the Dask operator as workers.

    Args:
        image: image that contains `screener`, such as one made by deploy/docker/Dockerfile.
        name: name of the Dask cluster; there must be no other one of this name.
        namespace: Kubernetes' namespace; by default that of the current context.
        cpu: the pool for chemistry.
        gpu: the pool for inference; without it, chemistry and inference of a unit are one task.
        volume_claim: volume claim that every pod mounts at `mount_path`, for library and campaign.
        mount_path: folder at which the volume is mounted; not used without `volume_claim`.
        env: environment variables of every pod.
        env_secret: name of a secret whose keys all become environment variables of every pod, such
            as the credentials of an object store.
    """

    kind: Literal["kubernetes"] = "kubernetes"
    image: str
    name: str = "screener"
    namespace: str | None = None
    cpu: KubernetesPool
    gpu: KubernetesPool | None = None
    volume_claim: str | None = None
    mount_path: str = "/data"
    env: dict[str, str] = Field(default_factory=dict)
    env_secret: str | None = None


class CudaCpuPool(_Table):
    """Workers for chemistry on a machine with GPUs.

    Args:
        workers: how many; by default the number of CPUs minus one for each GPU.
    """

    workers: PositiveInt | None = None


class CudaGpuPool(_Table):
    """Workers for inference, one per device.

    Args:
        devices: numbers or UUIDs, as in CUDA_VISIBLE_DEVICES; by default all visible devices.
    """

    devices: tuple[int | str, ...] | None = None


class CudaSettings(_Secured):
    """This machine with its GPUs: one worker per device, and workers for chemistry.

    Args:
        cpu: workers for chemistry.
        gpu: workers for inference.
        host: address of this machine on which scheduler and workers listen.
    """

    kind: Literal["cuda"] = "cuda"
    cpu: CudaCpuPool = CudaCpuPool()
    gpu: CudaGpuPool = CudaGpuPool()
    host: str = LOOPBACK


SecuredSettings = LocalSettings | AddressSettings | SlurmSettings | CudaSettings
ClusterSettings = SecuredSettings | KubernetesSettings

_ANY: TypeAdapter[ClusterSettings] = TypeAdapter(
    Annotated[ClusterSettings, Field(discriminator="kind")]
)


def cluster_from(values: Any, where: str) -> ClusterSettings:
    """Settings from plain values.

    Args:
        values: the keys and values of the `[cluster]` table.
        where: file or option that they come from, for the error message.
    Raises:
        ConfigError: a key is unknown or missing, or a value is not valid.
    """
    try:
        return _ANY.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(["cluster", *(str(part) for part in first["loc"] if part not in KINDS)])
        raise ConfigError(f"{where}: {place}: {first['msg']}") from error


def read_cluster(path: str) -> ClusterSettings | None:
    """The `[cluster]` table of a TOML file; None where the file has none.

    Raises:
        ConfigError: the file is missing or is not TOML, or the table is not valid.
    """
    values = read_toml(path)
    return cluster_from(values["cluster"], path) if "cluster" in values else None


def parse_cluster(text: str) -> ClusterSettings:
    """Settings from the option `--cluster`: a TOML file, or a kind that needs no further settings.

    Raises:
        ConfigError: there is no such kind, the kind needs further settings, or the file is not
            valid.
    """
    if text.endswith(".toml"):
        settings = read_cluster(text)
        if settings is None:
            raise ConfigError(f"{text} has no [cluster] table")
        return settings
    if text not in KINDS:
        raise ConfigError(
            f"--cluster {text}: give a file that ends in .toml, or one of {', '.join(KINDS)}"
        )
    return cluster_from({"kind": text}, f"--cluster {text} wants a file with more about it")
