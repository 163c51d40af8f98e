"""What a person says about where workers come from: the `[cluster]` table of a TOML file.

One class for each kind, so that a key which says nothing about the kind at hand is an error. A
cluster is no part of a campaign: it is in none of its digests, and the same campaign goes on with
another one.
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
    """What every kind has but Kubernetes, where a network policy keeps others out.

    Args:
        tls_ca_file: PEM file of the authority that signed the certificates; with the other two,
            scheduler, workers and client prove who they are and encrypt what they say.
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
        """Names of the keys that are given together."""
        return ("tls_ca_file", "tls_cert", "tls_key")


class LocalSettings(_Secured):
    """Processes on this machine, one thread each.

    Args:
        workers: how many; by default one per CPU that this process may use.
        host: address of this machine that scheduler and workers listen at.
    """

    kind: Literal["local"] = "local"
    workers: PositiveInt | None = None
    host: str = LOOPBACK


class AddressSettings(_Secured):
    """A scheduler that somebody else runs.

    Args:
        address: such as `tcp://host:8786`, or the path of a scheduler file (`.json`).
    """

    kind: Literal["address"] = "address"
    address: str


class SlurmPool(_Table):
    """Slurm jobs that are alike.

    Args:
        workers: how many workers, all the time.
        minimum: instead of `workers`: how many at least.
        maximum: and at most, where there is work for them.
        workers_per_job: processes in one job on one node; on a node with several GPUs, one each.
        partition: of Slurm; by default the cluster's own default.
        account: that the time is charged to; by default the user's own.
        memory: of one worker, such as `4G`; bounds a job together with `workers_per_job`.
        walltime: `HH:MM:SS` or `D-HH:MM:SS`; workers leave before it, between two units.
        gres: such as `gpu:1`, for the whole job.
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
        """The wall time in seconds."""
        days, _, clock = self.walltime.rpartition("-")
        hours, minutes, seconds = map(int, clock.split(":"))
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds

    @property
    def memory_mebibytes(self) -> int:
        """Memory of one worker."""
        return int(self.memory[:-1]) * (1024 if self.memory[-1] == "G" else 1)


class SlurmSettings(_Secured):
    """Jobs of Slurm as workers; scheduler and command run here, such as on the login node.

    Args:
        cpu: workers for chemistry.
        gpu: workers for inference; without, chemistry and inference are one task.
        interface: network interface at which nodes reach this machine and one another, such as
            `ib0`.
        host: instead of it, the address of this machine that the scheduler listens at.
        log_folder: where jobs write what they say; on a file system that the nodes share.
        prologue: lines of shell for every job before the worker starts, such as `module load cuda`.
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
    """Pods that are alike, one worker each.

    Args:
        workers: how many.
        cpus: of one pod.
        memory: of one pod, as Kubernetes writes it.
        gpus: of one pod, asked for as `nvidia.com/gpu`.
        node_selector: labels of the nodes that may be used.
        tolerations: as in a pod's specification.
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
        image: with `screener` in it, such as one made by deploy/docker/Dockerfile.
        name: of the cluster; one of that name must not be there.
        namespace: by default that of the current context.
        cpu: workers for chemistry.
        gpu: workers for inference; without, chemistry and inference are one task.
        volume_claim: a claim that every pod mounts at `mount_path`, for library and campaign.
        mount_path: folder of the volume; not used without `volume_claim`.
        env: environment of every pod.
        env_secret: a secret, all of whose keys become environment of every pod, such as the
            credentials of an object store.
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
    """Workers for chemistry beside the GPUs.

    Args:
        workers: how many; by default one per CPU that is left when every GPU has one.
    """

    workers: PositiveInt | None = None


class CudaGpuPool(_Table):
    """Workers for inference, one per device.

    Args:
        devices: numbers or UUIDs as in CUDA_VISIBLE_DEVICES; by default all that are visible.
    """

    devices: tuple[int | str, ...] | None = None


class CudaSettings(_Secured):
    """This machine with its GPUs: one worker per device, and workers for chemistry.

    Args:
        cpu: workers for chemistry.
        gpu: workers for inference.
        host: address of this machine that scheduler and workers listen at.
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
        values: the keys of the `[cluster]` table.
        where: file or option, for the message.
    Raises:
        ConfigError: a key is misspelt or missing, or a value does not fit.
    """
    try:
        return _ANY.validate_python(values)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        place = ".".join(["cluster", *(str(part) for part in found["loc"] if part not in KINDS)])
        raise ConfigError(f"{where}: {place}: {found['msg']}") from error


def read_cluster(path: str) -> ClusterSettings | None:
    """The `[cluster]` table of a TOML file, None where it has none.

    Raises:
        ConfigError: the file is missing, is not TOML, or the table does not fit.
    """
    values = read_toml(path)
    return cluster_from(values["cluster"], path) if "cluster" in values else None


def parse_cluster(text: str) -> ClusterSettings:
    """Settings from the command line: a TOML file, or a kind that needs nothing else.

    Raises:
        ConfigError: there is no such kind, it needs more than its name, or the file does not fit.
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
