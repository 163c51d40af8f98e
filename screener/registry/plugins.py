"""Plug-ins: what packages register under our entry points, and what failed to load.

    [project.entry-points."screener.levels"]
    gfn1 = "my_package:GFN1"

Our own levels, quantities, model types and goals are registered the same way. A plug-in that fails
to load stops nothing until something asks for it by name.
"""

import difflib
import hashlib
import importlib.util
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import Any

from screener.errors import ConfigError
from screener.registry.goals import Goal
from screener.registry.levels import Level
from screener.registry.model_types import ModelType
from screener.registry.quantities import Quantity

log = logging.getLogger(__name__)

OWN = "screener"  # the package that is here in any case
GROUPS: Mapping[str, type] = {
    "levels": Level,
    "quantities": Quantity,
    "models": ModelType,
    "objectives": Goal,
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point.

    Args:
        group: `levels`, `quantities`, `models` or `objectives`.
        name: of what it registers; of the entry point where it failed.
        package: the distribution that registers it.
        version: of the distribution.
        digest: SHA-256 (hex) over the package's Python files; empty for our own, and where it
            failed.
        value: what is registered; None where it failed.
        error: why it failed; empty otherwise.
    """

    group: str
    name: str
    package: str
    version: str
    digest: str
    value: Any
    error: str = ""


@cache
def plugins_of(group: str) -> tuple[Plugin, ...]:
    """Every entry point of a group, our own first, then by package and name.

    Args:
        group: one of `GROUPS`. Only its modules are loaded: those of models take seconds.
    """
    listed: list[Plugin] = []
    taken: dict[str, str] = {}
    for point in sorted(entry_points(group=f"screener.{group}"), key=_order):
        plugin = _loaded(group, GROUPS[group], point)
        if not plugin.error and plugin.name in taken:
            other = taken[plugin.name]
            plugin = _failed(group, point, f"{plugin.name!r} is registered by {other} already")
        if plugin.error:
            log.warning(
                "plug-in %s of %s cannot be used: %s", point.name, plugin.package, plugin.error
            )
        else:
            taken[plugin.name] = plugin.package
        listed.append(plugin)
    return tuple(listed)


def plugins() -> tuple[Plugin, ...]:
    """Every entry point of all groups, group by group as in `plugins_of`."""
    return tuple(plugin for group in GROUPS for plugin in plugins_of(group))


def own_modules(group: str) -> list[str]:
    """The modules of our own entry points of a group, which are not loaded.

    Args:
        group: one of `GROUPS`.
    """
    points = entry_points(group=f"screener.{group}")
    return sorted({point.module for point in points if _package(point) == OWN})


@cache
def registered(group: str) -> Mapping[str, Any]:
    """What a group holds, by name, in the order of `plugins_of`.

    Args:
        group: one of `GROUPS`.
    """
    return {plugin.name: plugin.value for plugin in plugins_of(group) if not plugin.error}


def entry(group: str, name: str) -> Any:
    """What is registered under a name.

    Args:
        group: one of `GROUPS`.
        name: such as `gfn2-opt`.
    Raises:
        ConfigError: there is nothing of that name; tells the nearest names, and why a plug-in that
            may have it failed.
    """
    known = registered(group)
    if name in known:
        return known[name]
    failed = [each for each in plugins_of(group) if each.error]
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
    lost = "".join(f"; plug-in {each.name} of {each.package}: {each.error}" for each in failed)
    raise ConfigError(f"screener.{group} has no {name!r}; {hint}{lost}")


def plugin_of(group: str, name: str) -> Plugin:
    """The plug-in that registers a name.

    Args:
        group: one of `GROUPS`.
        name: such as `gfn2-opt`.
    Raises:
        ConfigError: there is nothing of that name.
    """
    entry(group, name)
    return next(each for each in plugins_of(group) if each.name == name)


def signature(group: str, name: str) -> str:
    """Package, version and digest of who registers a name; empty for what is our own.

    Args:
        group: one of `GROUPS`.
        name: such as `gfn1`.
    Raises:
        ConfigError: there is nothing of that name.
    """
    plugin = plugin_of(group, name)
    if plugin.package == OWN:
        return ""
    return f"{plugin.package} {plugin.version} {plugin.digest[:16]}"


def lost_plugins(used: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Which entries, of some that were used, are not there, each in words.

    Args:
        used: by group and name, as `signature` tells them.
    """
    failed = {
        (each.group, each.name): each.error
        for group in used  # of others nothing is loaded: models take seconds
        for each in plugins_of(group)
        if each.error
    }
    return [
        f"{name} of screener.{group}, from {text}, "
        + (f"fails: {failed[group, name]}" if (group, name) in failed else "is not installed")
        for group, named in used.items()
        for name, text in named.items()
        if name not in registered(group)
    ]


def other_plugins(used: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Which entries, of some that were used, come from another version now, each in words.

    Args:
        used: by group and name, as `signature` tells them; all of them are there.
    """
    return [
        f"{name} of screener.{group} is of {now or OWN} now, and was of {before}"
        for group, named in used.items()
        for name, before in named.items()
        if (now := signature(group, name)) != before
    ]


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    package = _package(point)
    return package != OWN, package, point.name


def _package(point: EntryPoint) -> str:
    return "" if point.dist is None else _name_of(point.dist)


@lru_cache(maxsize=64)  # each look at the name reads a file; entry points share distributions
def _name_of(distribution: Distribution) -> str:
    return str(distribution.name)


def _loaded(group: str, kind: type, point: EntryPoint) -> Plugin:
    try:
        value = point.load()
        digest = "" if _package(point) == OWN else _digest(point.module)
    except Exception as error:  # noqa: BLE001  somebody else's module may raise anything
        return _failed(group, point, f"{type(error).__name__}: {error}")
    if not isinstance(value, kind):
        reason = f"{point.value} is a {type(value).__name__}, and no {kind.__name__}"
        return _failed(group, point, reason)
    name = str(getattr(value, "name"))  # noqa: B009  every kind has a name
    return Plugin(group, name, _package(point), _version(point), digest, value)


def _failed(group: str, point: EntryPoint, reason: str) -> Plugin:
    return Plugin(group, point.name, _package(point), _version(point), "", None, reason)


def _version(point: EntryPoint) -> str:
    return "" if point.dist is None else str(point.dist.version)


def _digest(module: str) -> str:
    """SHA-256 over the Python files of the top package of a module, or over the one module."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    assert spec is not None
    roots = [Path(root) for root in spec.submodule_search_locations or ()]
    files = [(root, path) for root in roots for path in sorted(root.rglob("*.py"))]
    if not roots and spec.origin is not None:
        files = [(Path(spec.origin).parent, Path(spec.origin))]
    parts = hashlib.sha256()
    for root, path in files:
        parts.update(path.relative_to(root).as_posix().encode() + b"\0")
        parts.update(hashlib.sha256(path.read_bytes()).digest())
    return parts.hexdigest()
