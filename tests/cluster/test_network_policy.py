"""The network policy, by the real client against a server that answers as Kubernetes' does."""

import copy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from dask_kubernetes import operator
from dask_kubernetes.operator.controller.controller import (
    build_scheduler_deployment_spec,
    build_worker_deployment_spec,
)
from kubernetes.client import V1NetworkPolicy

from screener.cluster import kubernetes
from screener.cluster.network_policy import command_labels, network_policy, others_kept_out
from screener.cluster.settings import KubernetesSettings
from screener.errors import ConfigError

SETTINGS = KubernetesSettings.model_validate(
    {"image": "registry.example.org/screener:1", "name": "mine", "cpu": {"workers": 2}}
)
POLICIES = "/apis/networking.k8s.io/v1/namespaces/research/networkpolicies"
POLICY = f"{POLICIES}/mine"
POD = f"/api/v1/namespaces/research/pods/{socket.gethostname()}"


class Server:
    """Keeps objects by their path, and what was asked of it."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.forbidden: set[str] = set()  # methods

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append(f"{method} {path}")
        if path == "/version/":
            return 200, {"gitVersion": "v1.33.0"}
        if method in self.forbidden:
            return 403, {"kind": "Status", "message": f"may not {method}"}
        if method == "POST":
            path = f"{path}/{body['metadata']['name']}"
            self.objects[path] = body
            return 201, body
        if path not in self.objects:
            return 404, {"kind": "Status", "message": f"no {path}"}
        return 200, self.objects.pop(path) if method == "DELETE" else self.objects[path]

    def changes(self) -> list[str]:
        return [each for each in self.asked if not each.startswith("GET")]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """One for the module: the client keeps connections by what it was configured with."""
    now = SimpleNamespace(server=Server())

    class Handler(BaseHTTPRequestHandler):
        def reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            status, values = now.server.answer(self.command, self.path.partition("?")[0], body)
            data = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = reply  # names of http.server

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        where = {"server": f"http://127.0.0.1:{httpd.server_port}"}
        context = {"cluster": "c", "user": "u", "namespace": "research"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "c", "cluster": where}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": context}],
        }
        now.config = tmp_path_factory.mktemp("kube") / "config"
        now.config.write_text(yaml.safe_dump(config))
        yield now
        httpd.shutdown()


@pytest.fixture
def server(serving: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("KUBECONFIG", str(serving.config))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    serving.server = Server()
    return serving.server


def as_applied() -> dict[str, Any]:
    """The policy as Kubernetes holds it after `kubectl apply`."""
    policy = copy.deepcopy(network_policy(SETTINGS))
    policy["metadata"] |= {"namespace": "research", "uid": "1", "resourceVersion": "7"}
    return policy


def test_kubernetes_accepts_it() -> None:
    V1NetworkPolicy.model_validate(network_policy(SETTINGS))


def labels(deployment: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return found


def matches(selector: dict[str, Any], of: dict[str, str]) -> bool:
    return bool(selector["matchLabels"].items() <= of.items())


def test_it_covers_every_pod_of_the_cluster_and_lets_nobody_else_in() -> None:
    spec = network_policy(SETTINGS)["spec"]
    pod = kubernetes.cluster_object(SETTINGS)["spec"]["worker"]["spec"]
    scheduler = labels(build_scheduler_deployment_spec("mine", pod, {}, {}))
    workers = [
        labels(build_worker_deployment_spec(group, "research", "mine", "0", pod, {}, {}))
        for group in ("mine-default", "mine-gpu")
    ]
    others = [
        {},
        {"app.kubernetes.io/name": "notebook"},
        labels(build_scheduler_deployment_spec("theirs", pod, {}, {})),
        command_labels(SETTINGS.model_copy(update={"name": "theirs"})),
    ]
    for each in (scheduler, *workers):
        assert matches(spec["podSelector"], each)
    assert not any(matches(spec["podSelector"], each) for each in others)
    assert spec["policyTypes"] == ["Ingress"]
    (rule,) = spec["ingress"]
    assert rule.keys() == {"from"}
    assert all(peer.keys() == {"podSelector"} for peer in rule["from"])  # so of this namespace
    let_in = [
        any(matches(peer["podSelector"], each) for peer in rule["from"])
        for each in (scheduler, *workers, command_labels(SETTINGS), *others)
    ]
    assert let_in == [True] * 4 + [False] * 4


@contextmanager
def one_worker(_: Any) -> Iterator[SimpleNamespace]:
    """A client that sees one worker."""
    workers = {"tcp://10.0.0.2:1": {"resources": {"CPU": 1}}}
    yield SimpleNamespace(scheduler_info=lambda **_: {"workers": workers})


def test_it_is_there_before_the_cluster_and_goes_after_it(server, monkeypatch) -> None:
    held = []

    @contextmanager
    def cluster(**_: Any) -> Iterator[None]:
        held.append(copy.deepcopy(server.objects[POLICY]))
        yield
        held.append(copy.deepcopy(server.objects[POLICY]))
        raise ConfigError("the cluster ends")

    monkeypatch.setattr(operator, "KubeCluster", cluster)
    monkeypatch.setattr(kubernetes, "Client", one_worker)
    with (
        pytest.raises(ConfigError, match="the cluster ends"),
        kubernetes.kubernetes_cluster(SETTINGS),
    ):
        held.append(copy.deepcopy(server.objects[POLICY]))
    assert [each["spec"] for each in held] == [network_policy(SETTINGS)["spec"]] * 3
    assert server.objects == {}
    assert server.changes() == [f"POST {POLICIES}", f"DELETE {POLICY}"]


def test_no_cluster_is_made_without_it(server, monkeypatch) -> None:
    server.forbidden = {"POST"}
    monkeypatch.setattr(operator, "KubeCluster", lambda **_: pytest.fail("a cluster was made"))
    with (
        pytest.raises(ConfigError, match=r"cannot be made.*may not POST.*rbac\.yaml"),
        kubernetes.kubernetes_cluster(SETTINGS),
    ):
        pytest.fail("it began")


def test_one_that_was_applied_is_used_and_stays(server) -> None:
    server.objects[POLICY] = as_applied()
    server.forbidden = {"POST", "DELETE"}
    with others_kept_out(SETTINGS):
        pass
    assert server.objects == {POLICY: as_applied()}
    assert server.changes() == []


def test_one_that_a_dead_command_left_is_used_and_goes(server) -> None:
    with others_kept_out(SETTINGS):
        left = copy.deepcopy(server.objects)
    server.objects = left
    with others_kept_out(SETTINGS):
        assert server.changes().count(f"POST {POLICIES}") == 1
    assert server.objects == {}


def test_another_policy_of_that_name_is_left_alone_and_refused(server) -> None:
    other = as_applied()
    other["spec"]["ingress"] = [{}]  # lets everybody in
    server.objects[POLICY] = other
    with (
        pytest.raises(ConfigError, match="is not that of the cluster"),
        others_kept_out(SETTINGS),
    ):
        pytest.fail("it began")
    assert server.objects == {POLICY: other}


def test_one_that_cannot_be_removed_is_told(server, caplog) -> None:
    with others_kept_out(SETTINGS):
        server.forbidden = {"DELETE"}
    assert "the network policy mine is left" in caplog.text


@pytest.mark.parametrize("named", [{}, {"app.kubernetes.io/name": "screener"}])
def test_a_pod_that_it_would_keep_out_is_told(server, monkeypatch, named) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    server.objects[POD] = {"metadata": {"name": socket.gethostname(), "labels": named}}
    with (
        pytest.raises(ConfigError, match=r"only from a pod with the labels .*instance: mine"),
        others_kept_out(SETTINGS),
    ):
        pytest.fail("it began")
    assert server.changes() == []


def test_the_job_s_pod_is_let_in(server, monkeypatch, caplog) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with others_kept_out(SETTINGS):
        pass
    assert "this pod is not found" in caplog.text
    caplog.clear()
    server.objects[POD] = {
        "metadata": {"name": socket.gethostname(), "labels": command_labels(SETTINGS)}
    }
    with others_kept_out(SETTINGS):
        assert POLICY in server.objects
    assert caplog.text == ""


def test_two_clusters_do_not_share_one() -> None:
    other = SETTINGS.model_copy(update={"name": "other"})
    assert network_policy(other)["metadata"]["name"] == "other"
    assert network_policy(other)["spec"] != network_policy(SETTINGS)["spec"]
