"""Dask's configuration for the schedulers, workers and clients that we start.

A person configures Dask (in files, by `DASK_...` variables, with `dask.config.set`) for other work
than this: for workers that declare GPUs, load modules, leave after an hour or accept TLS alone.
What we start would break by that, or wait for ever. It therefore has Dask's own defaults with our
settings over them. Of the person's settings those are taken over that say where files and
dashboards are, what is logged, and how long is waited (`TAKEN_OVER`). What may be the cause of an
error is named in its message, with the file or the variable that it comes from.

A scheduler that somebody else has started is talked to as the person has configured it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any

import dask

TAKEN_OVER = (
    "logging",
    "logging-file-config",
    "distributed.logging",
    "distributed.logging-file-config",
    "temporary-directory",
    "distributed.dashboard",
    "distributed.scheduler.dashboard",
    "distributed.admin.log-format",
    "distributed.admin.log-length",
    "distributed.admin.low-level-log-length",
    "distributed.admin.max-error-length",
    "distributed.admin.system-monitor",
    "distributed.comm.retry",
    "distributed.comm.timeouts",
    # of Security; the files are named in [cluster]
    "distributed.comm.tls.ciphers",
    "distributed.comm.tls.min-version",
    "distributed.comm.tls.max-version",
    "distributed.deploy.lost-worker-timeout",
    "distributed.diagnostics.nvml",
    # how a scheduler in Kubernetes is reached
    "kubernetes.port-forward-cluster-ip",
    "kubernetes.scheduler-forward-port",
    "kubernetes.scheduler-service-name-resolution-retries",
    "kubernetes.scheduler-service-wait-timeout",
)
# Dask reads these when it is imported, and then never again
FIXED = (
    "distributed.admin.pdb-on-err",
    "distributed.admin.tick.limit",
    "distributed.comm.offload",
    "distributed.comm.shard",
    "distributed.comm.websockets.shard",
    "distributed.scheduler.default-data-size",
)
_OURS = ("distributed", "jobqueue", "kubernetes")  # parts that say how clusters are started
_LOGGING = ("logging", "logging-file-config")
_SECRET = "environ"  # part of the names of settings whose values are not shown
_INHERITED = "DASK_INTERNAL_INHERIT_CONFIG"  # Dask's own variable for this
_MISSING = object()


def set_ours(settings: Mapping[str, Any]) -> AbstractContextManager[Any]:
    """Configure Dask in this process for a cluster of ours, until the context ends.

    Args:
        settings: ours by name, such as `distributed.scheduler.worker-ttl`.
    Returns:
        the context.
    """
    defaults = _defaults()
    changed = _changed_by(settings)
    parts = {name: deepcopy(defaults[name]) for name in _OURS if name in defaults}
    dask.config.update(parts, {name: changed[name] for name in _OURS if name in changed})
    for name in filter(is_changed, FIXED):  # they hold, whatever we set
        dask.config.set({name: dask.config.get(name)}, config=parts)
    context: AbstractContextManager[Any] = dask.config.set(parts)
    return context


def inherited(settings: Mapping[str, Any], logging: Mapping[str, Any]) -> dict[str, str]:
    """Environment variables by which a process that calls `take_over` is configured.

    Args:
        settings: ours by name.
        logging: levels by logger, for where the person has not said anything about them.
    Returns:
        values by name.
    """
    changed = _changed_by(settings)
    places = (changed, changed.get("distributed", {}))
    said = [place[name] for place in places for name in _LOGGING if name in place]
    if not said and logging:
        changed["logging"] = dict(logging)
    elif isinstance(changed.get("logging"), Mapping) and "version" not in changed["logging"]:
        changed["logging"] = {**logging, **changed["logging"]}
    return {_INHERITED: dask.config.serialize(changed)}


def other_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables without those that configure Dask."""
    return {name: value for name, value in environment.items() if not name.startswith("DASK_")}


def take_over() -> None:
    """Configure Dask in this process as the one that started it says, whatever else is found here.

    Has to come before `distributed` is imported, which reads some settings then.
    """
    config = dask.config.config
    config.clear()
    for each in dask.config.defaults:
        dask.config.update(config, each, priority="old")
    dask.config.update(config, dask.config.deserialize(os.environ[_INHERITED]))


def left_out() -> list[str]:
    """What the person has changed and clusters of ours do not take over, in words."""
    kept = (*TAKEN_OVER, *FIXED)
    return [in_words(name) for name in _changed(_OURS) if not _is_below(name, kept)]


def suspects(prefixes: Sequence[str] = (*TAKEN_OVER, *FIXED)) -> str:
    """What the person has changed and may be the cause of an error, as the end of its message.

    Args:
        prefixes: beginnings of the names of settings that matter; by default all that clusters of
            ours take over, and those that nobody can change any more.
    Returns:
        empty where there is none.
    """
    named = [in_words(name) for name in _changed() if _is_below(name, prefixes)]
    if not named:
        return ""
    return f". Dask's configuration may be the cause; it sets {'; '.join(named)}"


def is_changed(name: str) -> bool:
    """Whether the person has set this to something else than Dask's default."""
    return name in _changed()


def in_words(name: str) -> str:
    """A setting of the person's with its value and where it comes from."""
    value = dask.config.get(name, _MISSING)
    is_plain = isinstance(value, str | int | float | bool | None) and _SECRET not in name
    return f"{name}{f' = {value!r}' if is_plain else ''} ({_origin(name)})"


def _defaults() -> dict[str, Any]:
    defaults: dict[str, Any] = dask.config.merge(*dask.config.defaults)
    return defaults


def _changed_by(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is to differ from Dask's defaults: what is taken over, and our settings over it."""
    defaults = _defaults()
    changed: dict[str, Any] = {}
    for name in TAKEN_OVER:
        value = dask.config.get(name, _MISSING)
        if value is not _MISSING and value != dask.config.get(name, _MISSING, config=defaults):
            dask.config.set({name: deepcopy(value)}, config=changed)
    dask.config.set(settings, config=changed)
    return changed


def _changed(parts: Iterable[str] = (*_OURS, *_LOGGING, "temporary-directory")) -> list[str]:
    """Names of the settings that differ from Dask's defaults."""
    defaults, config = _defaults(), dask.config.config
    names: list[str] = []
    for part in parts:
        key = dask.config.canonical_name(part, config)
        if key in config:
            names += _differences(config[key], defaults.get(part, _MISSING), part)
    return names


def _differences(value: Any, default: Any, name: str) -> Iterator[str]:
    if value == default:
        return
    if not isinstance(value, dict) or not value or not (isinstance(default, dict) and default):
        yield name
        return
    for key, each in value.items():
        plain = dask.config.canonical_name(key, default)  # a variable has _ where Dask has -
        yield from _differences(each, default.get(plain, _MISSING), f"{name}.{plain}")


def _is_below(name: str, prefixes: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)


def _origin(name: str) -> str:
    """Where a setting comes from: a variable, else the last file that has it, else this program."""
    plain = name.replace("_", "-")
    for variable in os.environ:
        said = variable.removeprefix("DASK_").lower().replace("__", ".").replace("_", "-")
        if variable.startswith("DASK_") and _is_below(plain, [said]):
            return variable
    files = dask.config.collect_yaml(dask.config.paths, return_paths=True)
    for path, config in reversed(list(files)):
        if dask.config.get(name, _MISSING, config=config) is not _MISSING:
            return str(path)
    return "dask.config.set in this program"
