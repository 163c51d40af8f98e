"""The network policy around a Dask cluster in Kubernetes: only its own pods and the command get in.

Whoever reaches a scheduler or a worker runs programs there. The policy is there before the
scheduler is, and as long. It holds where the cluster's network enforces policies.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from screener.cluster.settings import KubernetesSettings
from screener.errors import ConfigError

log = logging.getLogger(__name__)

_MADE_BY = {"app.kubernetes.io/managed-by": "screener"}  # such a policy goes with the command
_HOW = (
    "the account needs the rights in deploy/kubernetes/rbac.yaml, or somebody applies "
    "deploy/kubernetes/network-policy.yaml for it"
)


def command_labels(settings: KubernetesSettings) -> dict[str, str]:
    """Labels of the pod that runs the command, where it runs in one."""
    return {"app.kubernetes.io/name": "screener", "app.kubernetes.io/instance": settings.name}


def network_policy(settings: KubernetesSettings) -> dict[str, Any]:
    """The NetworkPolicy: pods of the cluster are reached by one another and by the command."""
    ours = {"dask.org/cluster-name": settings.name}  # from the operator, on every pod that it makes
    allowed = (ours, command_labels(settings))
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": settings.name},
        "spec": {
            "podSelector": {"matchLabels": ours},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"podSelector": {"matchLabels": each}} for each in allowed]}],
        },
    }


@contextmanager
def others_kept_out(settings: KubernetesSettings) -> Iterator[None]:
    """Have the network policy as long as the context.

    One that says the same and was applied by somebody else stays afterwards.

    Args:
        settings: of the cluster, which must not be there before the context.
    Raises:
        ConfigError: the policy cannot be made or is another one, or it would keep this pod out.
    """
    objects = import_module("kr8s.objects")
    wanted = network_policy(settings)
    try:
        _require_let_in(objects, settings)
        policy = objects.NetworkPolicy(
            {**wanted, "metadata": {**wanted["metadata"], "labels": _MADE_BY}},
            namespace=settings.namespace,
        )
        if policy.exists():
            policy.refresh()
            if policy.raw["spec"] != wanted["spec"]:
                raise ConfigError(
                    f"a network policy {settings.name} is there and is not that of the cluster; "
                    f"delete it (`kubectl delete networkpolicy {settings.name}`), or give the "
                    "cluster another `name`"
                )
        else:
            policy.create()
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"the network policy {settings.name} cannot be made, and without it every pod could "
            f"run programs on the workers: {type(error).__name__}: {error}. Check that `kubectl "
            f"get networkpolicies` works; {_HOW}"
        ) from error
    try:
        yield
    finally:
        if _MADE_BY.items() <= policy.raw["metadata"].get("labels", {}).items():
            _remove(policy)


def _remove(policy: Any) -> None:
    try:
        policy.delete()
    except Exception as error:  # noqa: BLE001  # it harms nobody, and why the work ended matters more
        log.warning("the network policy %s is left: %s", policy.name, error)


def _require_let_in(objects: Any, settings: KubernetesSettings) -> None:
    """Raises ConfigError: this is a pod that the policy keeps out, which would wait for ever."""
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        return  # from elsewhere the scheduler is reached through the API server
    wanted = command_labels(settings)
    listed = ", ".join(f"{key}: {value}" for key, value in wanted.items())
    pod = objects.Pod(socket.gethostname(), namespace=settings.namespace)
    if not pod.exists():
        log.warning(
            "this pod is not found in the cluster's namespace; should the scheduler not be "
            "reached, give the pod the labels %s there",
            listed,
        )
        return
    pod.refresh()
    if not wanted.items() <= pod.raw["metadata"].get("labels", {}).items():
        raise ConfigError(
            f"the network policy lets in the command only from a pod with the labels {listed}, as "
            "in deploy/kubernetes/campaign.yaml; give this pod these labels"
        )
