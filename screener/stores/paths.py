"""Paths and names that are joined to a folder, checked so that nothing leads out of it.

Receipts, manifests, frozen configurations, cards and archives may come from somebody else, and the
paths in them are read, written and removed. `screener.stores.files.Folder` checks every path that
it joins; whoever reads a stored record checks the names in it first, so that the error names the
file that holds them.
"""

import os
import re
import stat
from typing import Annotated

from pydantic import AfterValidator

# control characters, what separates folders or drives or URLs elsewhere, and patterns of globs
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\:*?\[\]%#]")
_PLAIN = re.compile(r"[\w-]+(?:[./][\w-]+)*", re.ASCII)  # as we name nearly all of ours
_ASTRAY = re.compile(r"(?:\A|/)\.{0,2}(?:/|\Z)")  # an empty part, `.` or `..`


def fault_of(path: object) -> str:
    """Why a path may not be joined to a folder, as a clause; empty where it may be.

    Args:
        path: relative, its parts separated by `/`, such as `shards/part-00000000.parquet`.
    """
    if not isinstance(path, str):
        return "it is no text"
    if _PLAIN.fullmatch(path):
        return ""
    if match := _UNFIT.search(path):
        return f"it holds {match[0]!r}"
    if not _ASTRAY.search(path):
        return ""
    if not path:
        return "it is empty"
    return "it is absolute" if path.startswith("/") else "it has an empty part, '.' or '..'"


def require_path(path: str) -> str:
    """The path, which leads into the folder that it is joined to.

    Raises:
        ValueError: it may lead out of it.
    """
    if fault := fault_of(path):
        raise ValueError(f"{path!r} is no path in this folder: {fault}")
    return path


def require_name(name: str) -> str:
    """The name, which is one part of a path.

    Raises:
        ValueError: it is more, or may lead out of the folder.
    """
    if fault := fault_of(name) or ("it holds '/'" if "/" in name else ""):
        raise ValueError(f"{name!r} is no name in this folder: {fault}")
    return name


def link_out_of(root: str, path: str) -> str:
    """The first link on the way from `root` to `path` that leads out of `root`; empty if none does.

    The root itself may be a link, or lie behind one.

    Args:
        root: a folder of this machine, absolute.
        path: below it, as `fault_of` accepts it; need not be there.
    """
    place = root
    for part in path.split("/"):
        place = f"{place}/{part}"
        try:
            is_link = stat.S_ISLNK(os.lstat(place).st_mode)
        except OSError:  # nothing is there that could lead anywhere
            return ""
        if is_link:
            inside = os.path.realpath(root)
            if os.path.commonpath([inside, os.path.realpath(place)]) != inside:
                return place
    return ""


# of fields in stored records
Name = Annotated[str, AfterValidator(require_name)]
RelativePath = Annotated[str, AfterValidator(require_path)]
