"""The manifests, against the API models of the kubernetes package, which refuse unknown keys."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client as api

from screener.cluster.kubernetes import cluster_object
from screener.cluster.network_policy import command_labels, network_policy
from screener.cluster.settings import KubernetesSettings, cluster_from

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
MODELS = {
    "ConfigMap": api.V1ConfigMap,
    "Job": api.V1Job,
    "NetworkPolicy": api.V1NetworkPolicy,
    "PersistentVolumeClaim": api.V1PersistentVolumeClaim,
    "Role": api.V1Role,
    "RoleBinding": api.V1RoleBinding,
    "ServiceAccount": api.V1ServiceAccount,
}


def objects() -> list[dict[str, Any]]:
    return [
        made
        for path in sorted(FOLDER.glob("*.yaml"))
        for made in yaml.safe_load_all(path.read_text())
    ]


def only(kind: str) -> dict[str, Any]:
    (found,) = (made for made in objects() if made["kind"] == kind)
    return found


@pytest.mark.parametrize("kind", MODELS)
def test_the_api_accepts_what_there_is(kind: str) -> None:
    made = only(kind)
    MODELS[kind].model_validate(made)
    with pytest.raises(ValueError, match="spec_"):
        MODELS[kind].model_validate(made | {"spec_": 1})


def test_nothing_else_is_there() -> None:
    assert {made["kind"] for made in objects()} == set(MODELS)


def settings() -> KubernetesSettings:
    text = only("ConfigMap")["data"]["cluster.toml"]
    found = cluster_from(tomllib.loads(text)["cluster"], "cluster.toml")
    assert isinstance(found, KubernetesSettings)
    return found


def test_names_agree_between_the_files() -> None:
    pod = only("Job")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["serviceAccountName"] == only("ServiceAccount")["metadata"]["name"]
    assert only("RoleBinding")["roleRef"]["name"] == only("Role")["metadata"]["name"]
    claim, config = pod["volumes"]
    assert claim["persistentVolumeClaim"]["claimName"] == settings().volume_claim
    assert settings().volume_claim == only("PersistentVolumeClaim")["metadata"]["name"]
    assert config["configMap"]["name"] == only("ConfigMap")["metadata"]["name"]
    assert container["image"] == settings().image
    assert container["args"][-2:] == ["--cluster", "/etc/screener/cluster.toml"]


def test_the_network_policy_is_the_one_that_the_command_makes_and_it_lets_the_job_in() -> None:
    assert only("NetworkPolicy") == network_policy(settings())
    assert only("Job")["spec"]["template"]["metadata"]["labels"] == command_labels(settings())
    assert cluster_object(settings())["metadata"]["name"] == settings().name


def test_the_account_may_make_the_network_policy() -> None:
    (rule,) = (r for r in only("Role")["rules"] if "networkpolicies" in r["resources"])
    assert rule["apiGroups"] == ["networking.k8s.io"]
    assert set(rule["verbs"]) == {"get", "create", "delete"}
