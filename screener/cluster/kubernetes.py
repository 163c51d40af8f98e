"""Pods of the Dask operator as workers: a DaskCluster, and a worker group of its own for GPUs.

The objects are plain values made here, and dask-kubernetes creates and deletes them. The operator
has to be installed in the Kubernetes cluster (deploy/kubernetes/README.md). A network policy keeps
other pods out.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, Literal

import dask
from distributed import Client

from screener.cluster import dask_config, dask_scheduler, unit_worker
from screener.cluster.extras import missing
from screener.cluster.network_policy import others_kept_out
from screener.cluster.settings import KubernetesPool, KubernetesSettings
from screener.errors import ConfigError
from screener.waiting import Wait, waiting

log = logging.getLogger(__name__)

START_SECONDS = 1800.0  # long, because Kubernetes may have to add nodes first
_ANSWERS = "`kubectl get pods` says whether the cluster answers."


@contextmanager
def kubernetes_cluster(settings: KubernetesSettings) -> Iterator[Client]:
    """A DaskCluster that lives as long as the context, entered once every pool has a worker.

    Raises:
        ConfigError: dask-kubernetes is missing, Kubernetes refuses an object, or pods do not start.
    """
    try:
        operator = import_module("dask_kubernetes.operator")
    except ImportError as error:
        raise missing("kubernetes", error) from error
    dask_scheduler.tell_of_configuration()
    if dask.config.get(dask_scheduler.ENCRYPTION):
        log.warning(
            "Dask's configuration sets %s: the pods of a Dask cluster in Kubernetes talk to one "
            "another without TLS, and a network policy keeps other pods out",
            dask_config.in_words(dask_scheduler.ENCRYPTION),
        )
    with dask_config.set_ours(dask_scheduler.SETTINGS), ExitStack() as stack:
        with waiting("Kubernetes to take the network policy", _ANSWERS):
            stack.enter_context(others_kept_out(settings))
        try:
            with waiting(
                f"Kubernetes to start the scheduler of {settings.name}",
                f"`kubectl get daskclusters` and `kubectl get pods -l "
                f"dask.org/cluster-name={settings.name}` show it, and `kubectl describe` what it "
                "lacks: the Dask operator, an image that can be pulled, or room on a node.",
            ):
                cluster = operator.KubeCluster(
                    custom_cluster_spec=cluster_object(settings),
                    namespace=settings.namespace,
                    resource_timeout=int(START_SECONDS),
                    quiet=True,
                )
        except Exception as error:
            raise ConfigError(
                f"the Dask cluster does not start in Kubernetes: {type(error).__name__}: {error}. "
                "Check that `kubectl get daskclusters` works, which wants the Dask operator "
                f"(deploy/kubernetes/README.md), and the image{dask_config.suspects()}"
            ) from error
        entered = ExitStack()
        stack.callback(_close, entered)
        entered.enter_context(cluster)
        with waiting(f"the scheduler of {settings.name} to answer", _ANSWERS):
            client = stack.enter_context(Client(cluster))
            if settings.gpu is not None:
                cluster.add_worker_group("gpu", custom_spec=worker_object(settings, "GPU"))
        _wait(client, 1 if settings.gpu is None else 2)
        yield client


def _close(cluster: ExitStack) -> None:
    with waiting("Kubernetes to delete the Dask cluster", _ANSWERS):
        cluster.close()


def _wait(client: Client, n_pools: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    wait = Wait(
        "Kubernetes to start workers",
        "`kubectl get pods -l dask.org/component=worker` shows their pods, and `kubectl describe` "
        "what they lack: an image that can be pulled, memory, CPUs or GPUs on a node.",
    )
    while (n_there := _n_pools(client)) < n_pools:
        wait.tell_if_due(f"{n_there} of {n_pools} pools have one")
        if time.monotonic() > deadline:
            raise ConfigError(
                f"not every pool had a worker within {START_SECONDS:g} s; "
                "`kubectl get pods -l dask.org/component=worker` and `kubectl describe` say why"
            )
        time.sleep(0.5)


def _n_pools(client: Client) -> int:
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return len({resource for worker in workers for resource in worker["resources"]})


def cluster_object(settings: KubernetesSettings) -> dict[str, Any]:
    """The DaskCluster object: the scheduler and the CPU workers."""
    selector = {"dask.org/cluster-name": settings.name, "dask.org/component": "scheduler"}
    ports = {"tcp-comm": 8786, "http-dashboard": 8787}
    health = {"httpGet": {"port": "http-dashboard", "path": "/health"}}
    scheduler = {
        **_container(settings, settings.cpu.model_copy(update={"gpus": 0})),
        "name": "scheduler",
        "args": ["dask", "scheduler", "--host", "0.0.0.0"],
        "ports": [{"name": name, "containerPort": port} for name, port in ports.items()],
        "readinessProbe": {**health, "periodSeconds": 1, "timeoutSeconds": 300},
        "livenessProbe": {**health, "initialDelaySeconds": 15, "periodSeconds": 20},
    }
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {"name": settings.name},
        "spec": {
            "worker": worker_object(settings, "CPU"),
            "scheduler": {
                "spec": {"containers": [scheduler], **_volumes(settings)},
                "service": {
                    "type": "ClusterIP",
                    "selector": selector,
                    "ports": [
                        {"name": name, "port": port, "targetPort": name}
                        for name, port in ports.items()
                    ],
                },
            },
        },
    }


def worker_object(settings: KubernetesSettings, resource: Literal["CPU", "GPU"]) -> dict[str, Any]:
    """The `worker` part of a DaskCluster or a DaskWorkerGroup.

    Args:
        settings: settings of the cluster; they must have a pool for `resource`.
        resource: the resource that the workers declare.
    Returns:
        a plain value, as in the YAML of the object.
    """
    pool = settings.cpu if resource == "CPU" else settings.gpu
    assert pool is not None
    options = {
        "--name": "$(DASK_WORKER_NAME)",  # from the operator, as the scheduler's address
        "--nthreads": "1",
        "--memory-limit": "auto",
        "--resources": f"{resource}=1",
        "--worker-class": f"{unit_worker.__name__}.UnitWorker",
        "--death-timeout": "300",
    }
    container = {
        **_container(settings, pool),
        "name": "worker",
        "args": [
            *("dask", "worker", "--no-dashboard"),
            *(text for option in options.items() for text in option),
        ],
    }
    pod: dict[str, Any] = {"containers": [container], **_volumes(settings)}
    if pool.node_selector:
        pod["nodeSelector"] = pool.node_selector
    if pool.tolerations:
        pod["tolerations"] = list(pool.tolerations)
    return {"replicas": pool.workers, "spec": pod}


def _container(settings: KubernetesSettings, pool: KubernetesPool) -> dict[str, Any]:
    resources: dict[str, str] = {"cpu": str(pool.cpus), "memory": pool.memory}
    if pool.gpus:
        resources["nvidia.com/gpu"] = str(pool.gpus)
    container: dict[str, Any] = {
        "image": settings.image,
        "resources": {"requests": resources, "limits": resources},
        "env": [
            {"name": name, "value": str(value)}
            for name, value in {**dask_scheduler.variables(), **settings.env}.items()
        ],
    }
    if settings.env_secret is not None:
        container["envFrom"] = [{"secretRef": {"name": settings.env_secret}}]
    if settings.volume_claim is not None:
        container["volumeMounts"] = [{"name": "data", "mountPath": settings.mount_path}]
    return container


def _volumes(settings: KubernetesSettings) -> dict[str, Any]:
    if settings.volume_claim is None:
        return {}
    claim = {"claimName": settings.volume_claim}
    return {"volumes": [{"name": "data", "persistentVolumeClaim": claim}]}
