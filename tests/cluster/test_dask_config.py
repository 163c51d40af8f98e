import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask
import pytest
from certificates import make_certificates

from screener.cluster import dask_config, dask_scheduler, factory
from screener.cluster.dask_scheduler import configured, security_of, tls_options
from screener.cluster.factory import connect
from screener.cluster.settings import AddressSettings, LocalSettings, SlurmSettings
from screener.errors import ConfigError

CASES = Path(__file__).parents[1] / "cases"
# each has broken workers of ours, or has let them wait without an end
BREAKING = {
    "distributed.worker.resources": {"GPU": 1},
    "distributed.comm.default-scheme": "tls",
    "distributed.comm.require-encryption": True,
    "distributed.comm.tls.ca-file": "/no/such/ca.pem",
    "distributed.worker.preload": ["no.such.module"],
    "distributed.nanny.preload": ["no.such.module"],
    "distributed.scheduler.preload": ["no.such.module"],
    "distributed.client.preload": ["no.such.module"],
    "distributed.nanny.environ": {"OMP_NUM_THREADS": "64"},
    "distributed.nanny.pre-spawn-environ": {"LD_PRELOAD": "/no/such.so"},
    "distributed.worker.lifetime.duration": "1s",
    "distributed.worker.memory.pause": 0.001,
    "distributed.worker.memory.terminate": 0.001,
    "distributed.worker.daemon": False,
    "distributed.worker.multiprocessing-method": "fork",
    "distributed.worker.blocked-handlers": ["compute-task"],
    "distributed.scheduler.blocked-handlers": ["register-client"],
    "distributed.scheduler.idle-timeout": "1s",
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.worker-ttl": "1s",
    "distributed.scheduler.no-workers-timeout": "1s",
    "distributed.scheduler.active-memory-manager.policies": [{"class": "no.such.Policy"}],
    "distributed.scheduler.http.routes": ["no.such.module"],
    "distributed.admin.event-loop": "uvloop",
    "jobqueue.slurm.queue": "debug",
    "jobqueue.slurm.job-extra-directives": ["--exclusive"],
}
KEPT = {
    "distributed.comm.timeouts.connect": "77s",
    "distributed.dashboard.link": "/user/me/proxy/{port}/status",
    "distributed.admin.system-monitor.disk": False,
    "distributed.comm.tls.min-version": 1.3,
}


def as_started(settings: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The configuration of a process that is started with these of ours."""
    variables = dask_config.inherited(settings, {"distributed": "error"})
    with monkeypatch.context() as patch, dask.config.set({}):
        for name, value in variables.items():
            patch.setenv(name, value)
        before = dict(dask.config.config)
        try:
            dask_config.take_over()
            return dask.config.merge(dask.config.config)
        finally:
            dask.config.config.clear()
            dask.config.config.update(before)


def default_of(name: str) -> Any:
    return dask.config.get(name, config=dask.config.merge(*dask.config.defaults))


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_workers_is_not_taken_over(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue")
    wanted = dask_scheduler.SETTINGS.get(name, default_of(name))
    with dask.config.set({name: BREAKING[name]}):
        with configured() as settings:
            assert dask.config.get(name) == wanted
            there = as_started(settings, monkeypatch)
        assert dask.config.get(name, config=there) == wanted
        assert dask.config.get(name) == BREAKING[name]  # it is the person's again


@pytest.mark.parametrize("name", KEPT)
def test_what_a_person_may_well_set_is_taken_over(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dask.config.set({name: KEPT[name]}), configured() as settings:
        assert dask.config.get(name) == KEPT[name]
        assert dask.config.get(name, config=as_started(settings, monkeypatch)) == KEPT[name]


def test_levels_of_logging_are_added_to_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with dask.config.set({"logging": {"distributed.worker": "debug"}}):
        there = as_started({}, monkeypatch)
    assert there["logging"] == {"distributed": "error", "distributed.worker": "debug"}
    whole = {"version": 1, "root": {"level": "INFO"}}
    with dask.config.set({"logging": whole}):
        assert as_started({}, monkeypatch)["logging"] == whole
    with dask.config.set({"logging-file-config": "logging.ini"}):  # Dask takes one or the other
        assert "logging" not in as_started({}, monkeypatch)


def test_objects_in_the_configuration_are_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    with dask.config.set({"pool": object(), "scheduler": lambda *_: None}):
        assert "pool" not in as_started({}, monkeypatch)


def test_variables_that_configure_dask_go_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"DASK_CONFIG": "x", "DASK_DISTRIBUTED__WORKER__RESOURCES": "{'GPU': 1}", "HOME": "y"}
    assert dask_config.other_variables(given) == {"HOME": "y"}


def test_what_is_left_out_and_what_is_suspect_are_named_with_their_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dask.yaml"
    file.write_text(
        "distributed: {comm: {timeouts: {connect: 1ms}}, worker: {resources: {GPU: 1}}}"
    )
    monkeypatch.setattr(dask.config, "paths", [str(file)])
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", "/scratch")
    changes = {
        "distributed.comm.timeouts.connect": "1ms",
        "distributed.worker.resources": {"GPU": 1},
        "distributed.nanny.environ": {"AWS_SECRET_ACCESS_KEY": "secret"},
        "temporary-directory": "/scratch",
    }
    with dask.config.set(changes):
        said, left = dask_config.suspects(), dask_config.left_out()
    assert f"distributed.comm.timeouts.connect = '1ms' ({file})" in said
    assert "temporary-directory = '/scratch' (DASK_TEMPORARY_DIRECTORY)" in said
    assert f"distributed.worker.resources ({file})" in left
    assert "resources" not in said
    assert "distributed.nanny.environ (dask.config.set in this program)" in left
    assert "secret" not in str(left)


def test_a_dash_may_be_an_underscore(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in what comes from a variable, if Dask read it before it knew its own defaults."""
    comm = dict(dask.config.get("distributed.comm"))
    del comm["require-encryption"]
    with dask.config.set({"distributed.comm": {**comm, "require_encryption": True}}):
        assert dask_config.is_changed("distributed.comm.require-encryption")
        assert "distributed.comm.require-encryption = True" in str(dask_config.left_out())
        with configured() as settings:
            there = as_started(settings, monkeypatch)
        assert dask.config.get("distributed.comm.require-encryption", config=there) is None


def test_nothing_is_suspect_where_nothing_is_configured() -> None:
    assert dask_config.suspects() == ""
    assert dask_config.left_out() == []


def test_a_link_that_cannot_be_written_out_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    with dask.config.set({"distributed.dashboard.link": "/user/{NO_SUCH_VARIABLE}/{port}"}):
        with configured():
            assert dask.config.get("distributed.dashboard.link").endswith(":{port}/status")
        assert dask_scheduler.link_or("other") == "other"
    assert "distributed.dashboard.link" in caplog.text


def test_a_debugger_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with dask.config.set({"distributed.admin.pdb-on-err": True}), configured():
        assert dask.config.get("distributed.admin.pdb-on-err")  # Dask has read it long ago
    assert "distributed.admin.pdb-on-err = True" in caplog.text


@pytest.mark.slow
def test_the_files_of_the_cases_do_not_break_workers(tmp_path: Path) -> None:
    """Two files at once, as Dask reads them from a folder, and a variable."""
    folder = tmp_path / "dask"
    folder.mkdir()
    for name in ("09_dask_config_gpu", "09_dask_config_tls"):
        (folder / f"{name}.yaml").write_bytes((CASES / name / "dask.yaml").read_bytes())
    temporary = tmp_path / "scratch"
    code = f"""
import dask
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
assert dask.config.get("distributed.worker.resources") == {{"GPU": 1}}
assert dask.config.get("distributed.comm.default-scheme") == "tls"
with connect(LocalSettings(workers=1)) as client:
    (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
    assert worker["resources"] == {{}}
    assert worker["local_directory"].startswith({str(temporary)!r})
    assert client.submit(sum, (1, 2)).result() == 3
"""
    environment = {
        **os.environ,
        "DASK_CONFIG": str(folder),
        "DASK_DISTRIBUTED__NANNY__PRELOAD": "['no.such.module']",
        "DASK_TEMPORARY_DIRECTORY": str(temporary),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_a_temporary_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with dask.config.set({"temporary-directory": str(tmp_path / "file")}):
        refused = connect(LocalSettings(workers=1))
        with pytest.raises(ConfigError, match=r"temporary folder.*temporary-directory = "), refused:
            pass


def test_what_a_scheduler_does_not_start_with_is_named() -> None:
    broken = {"distributed.scheduler.dashboard.tls": {"ca-file": "a", "key": "b", "cert": "/no/c"}}
    with dask.config.set(broken):
        refused = connect(LocalSettings(workers=1))
        with pytest.raises(ConfigError, match=r"no scheduler starts.*dashboard\.tls"), refused:
            pass


def test_the_setting_that_keeps_a_client_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "CONNECT_SECONDS", 1)
    refused = connect(AddressSettings(address="tcp://127.0.0.1:1"))
    with dask.config.set({"distributed.comm.require-encryption": True}):
        said = r"Dask's configuration may be the cause.*require-encryption = True"
        with pytest.raises(ConfigError, match=said), refused:
            pass
    refused = connect(AddressSettings(address="tcp://127.0.0.1:1"))
    named = pytest.raises(ConfigError, match=r"tls\.min-version = 1\.1")
    with dask.config.set({"distributed.comm.tls.min-version": 1.1}), named, refused:
        pass


def certificates(folder: Path) -> dict[str, Any]:
    """Dask's settings that name certificates and demand encryption."""
    files = make_certificates(folder)
    roles = {
        f"distributed.comm.tls.{role}.{kind}": files[f"tls_{kind}"]
        for role in dask_scheduler.ROLES
        for kind in ("cert", "key")
    }
    return {
        "distributed.comm.require-encryption": True,
        "distributed.comm.tls.ca-file": files["tls_ca_file"],
        **roles,
    }


OPEN = (
    LocalSettings(host="192.0.2.1"),
    SlurmSettings.model_validate({"cpu": {"workers": 1}, "interface": "ib0"}),
)


@pytest.mark.parametrize("settings", OPEN)
def test_encryption_that_is_demanded_is_used_on_the_network(
    settings: LocalSettings | SlurmSettings, tmp_path: Path
) -> None:
    demanded = certificates(tmp_path / "with space")
    with dask.config.set(demanded):
        security = security_of(settings)
        assert security is not None
        assert security.require_encryption
        assert tls_options(security)["--tls-ca-file"] == demanded["distributed.comm.tls.ca-file"]
        assert security_of(LocalSettings()) is None  # on loopback nobody listens in
    with dask.config.set({**demanded, "distributed.comm.tls.worker.key": None}):
        security = security_of(settings)
        assert security is not None
        assert "--tls-key" not in tls_options(security)


@pytest.mark.parametrize("settings", OPEN)
def test_encryption_that_is_demanded_and_cannot_be_is_an_error(
    settings: LocalSettings | SlurmSettings, tmp_path: Path
) -> None:
    with dask.config.set({"distributed.comm.require-encryption": True}):
        said = r"demands encryption.*require-encryption = True .*give tls_ca_file"
        with pytest.raises(ConfigError, match=said):
            security_of(settings)
    missing = {**certificates(tmp_path / "tls"), "distributed.comm.tls.worker.cert": "/no/such.pem"}
    with dask.config.set(missing), pytest.raises(ConfigError, match=r"no use.*/no/such\.pem"):
        security_of(settings)
