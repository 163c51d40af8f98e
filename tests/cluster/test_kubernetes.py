"""What is made for Kubernetes, checked against the schemas of the Dask operator and of Kubernetes.

There is no Kubernetes here to create it in.
"""

import copy
from importlib.resources import files
from typing import Any

import pytest
import yaml
from kubernetes.client import V1PodSpec, V1ServiceSpec

from screener.cluster.kubernetes import cluster_object, worker_object
from screener.cluster.settings import KubernetesSettings

SETTINGS = KubernetesSettings.model_validate(
    {
        "image": "registry.example.org/screener:1",
        "cpu": {"workers": 8},
        "gpu": {
            "workers": 2,
            "gpus": 1,
            "memory": "16Gi",
            "node_selector": {"accelerator": "a100"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        },
        "volume_claim": "screener-data",
        "env": {"AWS_REGION": "eu-central-1"},
        "env_secret": "object-store",
    }
)


def schema(kind: str) -> dict[str, Any]:
    """Of the operator's custom resource; unknown keys, which Kubernetes would drop, are errors."""
    crds = files("dask_kubernetes") / "operator/deployment/helm/dask-kubernetes-operator/crds"
    # thousands of lines; yaml's own loader takes ten times as long
    crd = yaml.load((crds / f"{kind.lower()}.yaml").read_text(), Loader=yaml.CSafeLoader)
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
    closed(found)
    return found


def closed(part: Any) -> None:
    if isinstance(part, dict):
        if "properties" in part and not part.get("x-kubernetes-preserve-unknown-fields"):
            part.setdefault("additionalProperties", False)
        for each in part.values():
            closed(each)


def worker_group() -> dict[str, Any]:
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskWorkerGroup",
        "metadata": {"name": "screener-gpu"},
        "spec": {"cluster": "screener", "worker": worker_object(SETTINGS, "GPU")},
    }


def test_the_operator_accepts_cluster_and_worker_group() -> None:
    import jsonschema  # takes seconds, which every process of tests would spend

    for made in (cluster_object(SETTINGS), worker_group()):
        validator = jsonschema.Draft202012Validator(schema(made["kind"]))
        validator.validate(made)
        broken = copy.deepcopy(made)
        broken["spec"]["worker"]["spec"]["containers"][0]["image_"] = "misspelt"
        with pytest.raises(jsonschema.ValidationError, match="image_"):
            validator.validate(broken)


def test_kubernetes_accepts_pods_and_service() -> None:
    spec = cluster_object(SETTINGS)["spec"]
    V1ServiceSpec.model_validate(spec["scheduler"]["service"])
    for pod in (spec["scheduler"]["spec"], spec["worker"]["spec"]):
        V1PodSpec.model_validate(pod)
    pod = V1PodSpec.model_validate(worker_object(SETTINGS, "GPU")["spec"])
    assert pod.node_selector == {"accelerator": "a100"}
    assert pod.tolerations[0].key == "nvidia.com/gpu"
    assert pod.containers[0].resources.limits["nvidia.com/gpu"] == "1"
    assert pod.containers[0].env_from[0].secret_ref.name == "object-store"


def test_workers_declare_their_pool_and_have_one_thread() -> None:
    for resource in ("CPU", "GPU"):
        (container,) = worker_object(SETTINGS, resource)["spec"]["containers"]
        args = container["args"]
        assert args[args.index("--resources") + 1] == f"{resource}=1"
        assert args[args.index("--nthreads") + 1] == "1"
        assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data"}]
    scheduler = cluster_object(SETTINGS)["spec"]["scheduler"]["spec"]["containers"][0]
    assert "nvidia.com/gpu" not in scheduler["resources"]["limits"]
