"""The folder of a library while it is built: what may be built where, and what is cleared away.

A plan beside the unfinished work says from what and how it is made, so that another build never
goes on with it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from screener.errors import ConfigError, StoreError
from screener.stores.files import Folder, to_json
from screener.stores.library import MANIFEST

TEMPORARY = "tmp"
PLAN = "build.json"


def begin(folder: Folder, plan: dict[str, Any]) -> None:
    """Write down what is built here, or see that a build that was begun is the same.

    Raises:
        ConfigError: the folder holds something else, or cannot be written.
    """
    path = f"{TEMPORARY}/{PLAN}"
    if not folder.exists(path):
        require_free(folder)
        try:
            if folder.create_bytes(path, to_json(plan)):
                return
        except StoreError as error:
            raise ConfigError(f"the library cannot be written: {error}") from error
    require_same(folder.read_json(path), plan, f"a build was begun in {folder.url}")


def require_free(folder: Folder) -> None:
    """Raises ConfigError: the folder holds what is neither a library nor a build that was begun."""
    if folder.exists(MANIFEST) or folder.exists(f"{TEMPORARY}/{PLAN}"):
        return
    if folder.is_local:
        path = folder.local_path()
        if path.exists() and not path.is_dir():
            raise ConfigError(f"{path} is a file; give a folder for the library")
        taken = path.is_dir() and any(entry.name != TEMPORARY for entry in path.iterdir())
    else:
        taken = bool(folder.names())
    if taken:
        raise ConfigError(f"{folder.url} holds other files; give an empty or a new folder")


def require_same(held: Mapping[str, Any], wanted: Mapping[str, Any], what: str) -> None:
    """See that two plans are the same.

    Args:
        held: the plan that was followed.
        wanted: the plan that is to be followed now.
        what: what was made by the first, as the message begins.
    Raises:
        ConfigError: they differ; the message shows where.
    """
    lines = [
        f"  {key}: there {_written(before)}, now {_written(here)}"
        for key, before, here in _differences(held, wanted, "")
    ]
    if lines:
        raise ConfigError(
            f"{what} from other inputs or settings:\n" + "\n".join(lines) + "\n"
            "Give another --out, or delete that folder to build it anew"
        )


def _written(value: Any) -> str:
    """A value of a plan for a person; of input files their names and sizes."""
    if not isinstance(value, list):
        return repr(value)
    parts = [
        f"{each['name']} ({each['bytes']:,} bytes)"
        if isinstance(each, Mapping) and {"name", "bytes"} <= each.keys()
        else str(each)
        for each in value
    ]
    return ", ".join(parts) or "none"


def _differences(held: Any, wanted: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(held, Mapping) and isinstance(wanted, Mapping):
        for name in sorted({*held, *wanted}):
            inner = f"{key}.{name}" if key else str(name)
            yield from _differences(held.get(name), wanted.get(name), inner)
    elif isinstance(held, list) and isinstance(wanted, list) and len(held) == len(wanted):
        for position, (before, here) in enumerate(zip(held, wanted, strict=True)):
            yield from _differences(before, here, f"{key}[{position}]")
    elif held != wanted:
        yield key, held, wanted


def clear(folder: Folder) -> None:
    """Remove what is unfinished, and the folder where nothing else is in it."""
    folder.remove(TEMPORARY)
    if folder.is_local and not any(folder.local_path().iterdir()):
        folder.local_path().rmdir()
