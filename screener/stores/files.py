"""A folder, local or any fsspec URL, in which every file is written whole or not at all.

Locally: a temporary name, then a rename. On an object store: one put, and a put with
`If-None-Match: *` where a file must not be there yet. Everything else in `screener.stores` is built
on these few calls, so nothing else has to think of half-written files, nor of paths that lead out
of the folder: each is checked where it is joined to the root, also for links on this machine.
"""

import hashlib
import io
import json
import os
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from screener.errors import StoreError
from screener.stores import remote
from screener.stores.paths import fault_of, link_out_of
from screener.waiting import waiting

_CONFLICTS = 6  # attempts to create or remove what others do at the same moment
_ONE_PUT = 5 << 30  # bytes; s3fs uploads what is larger than its chunks in parts


@dataclass(frozen=True)
class Folder:
    """A root that paths are relative to; an empty path is the root itself.

    A path that leads out of the root is a StoreError in every method, and so is one behind a link
    below the root that does. The root itself may be a link.

    Args:
        url: a local path or an fsspec URL such as `s3://bucket/folder`.
    """

    url: str

    def __post_init__(self) -> None:
        remote.require_no_credentials(self.url)

    @property
    def _filesystem(self) -> fsspec.AbstractFileSystem:
        return remote.filesystem_of(self.url)[0]  # fsspec caches the instance

    def _full(self, path: str) -> str:
        """The path in the filesystem; every path that is used has come through here."""
        filesystem, root = remote.filesystem_of(self.url)
        root = root.rstrip("/")
        if not path:
            return root
        if fault := fault_of(path):
            raise StoreError(
                f"{path!r} is no path below {self.url}: {fault}; the file that it was read from "
                "was not written by screener, or was edited"
            )
        if isinstance(filesystem, LocalFileSystem) and (link := link_out_of(root, path)):
            raise StoreError(
                f"{self.url}/{path} is not touched: {link} is a link that leads out of {self.url}; "
                "put what it leads to in its place"
            )
        return f"{root}/{path}"

    @contextmanager
    def _told(self, action: str, path: str) -> Iterator[None]:
        """Errors of the filesystem as a StoreError that names the file, and notices of waiting."""
        try:
            with waiting(f"the store to {action} {self.url}/{path}", remote.SILENT):
                yield
        except remote.failures() as error:
            raise StoreError(
                f"cannot {action} {self.url}/{path}: {remote.reason(error)}"
            ) from error

    @property
    def is_local(self) -> bool:
        """Whether the folder lies on this machine."""
        return isinstance(self._filesystem, LocalFileSystem)

    def child(self, path: str) -> "Folder":
        """The folder `path` below this one."""
        self._full(path)  # which is the root of what follows, and not looked at again
        return Folder(f"{self.url.rstrip('/')}/{path}")

    def local_path(self, path: str = "") -> Path:
        """The path on this machine; only for local folders."""
        if not self.is_local:
            raise StoreError(f"{self.url} is not a local folder")
        return Path(self._full(path))

    def exists(self, path: str = "") -> bool:
        """Whether the file or folder is there. Raises StoreError: the store does not say."""
        with self._told("look for", path):
            try:
                self._filesystem.info(self._full(path))  # `exists` takes any error for a no
            except (FileNotFoundError, NotADirectoryError) as error:
                if remote.is_without_bucket(error):
                    raise
                return False
        return True

    def read_bytes(self, path: str, start: int | None = None, stop: int | None = None) -> bytes:
        """The file, or its bytes from `start` to `stop`.

        Args:
            path: of the file in this folder.
            start: first byte; None for the beginning.
            stop: one past the last byte; None for the end.
        Returns:
            the bytes.
        Raises:
            StoreError: the file is missing or cannot be read.
        """
        with self._told("read", path):
            return bytes(self._filesystem.cat_file(self._full(path), start=start, end=stop))

    def size(self, path: str) -> int:
        """Bytes in the file. Raises StoreError: it is missing."""
        with self._told("read", path):
            return int(self._filesystem.size(self._full(path)))

    def write_bytes(self, path: str, data: bytes) -> str:
        """Write the file whole, replacing what was there; returns the SHA-256 of `data`."""
        full = self._full(path)
        with self._told("write", path):
            if self.is_local:
                self._replace(self._write_temporary(full, data), full)
            else:
                self._filesystem.pipe_file(full, data)
        return hashlib.sha256(data).hexdigest()

    def create_bytes(self, path: str, data: bytes) -> bool:
        """Write the file whole unless it exists; of several writers exactly one gets True.

        On an object store also True where the file holds these very bytes already: the answer to
        an attempt that succeeded may have been lost, and then the next one finds its own work.
        """
        full = self._full(path)
        with self._told("write", path):
            if not self.is_local:
                return self._put_new(full, data) or self._filesystem.cat_file(full) == data
            temporary = self._write_temporary(full, data)
            try:
                os.link(temporary, full)
            except FileExistsError:
                return False
            finally:
                os.unlink(temporary)
        return True

    def _put_new(self, full: str, data: bytes) -> bool:
        """Put an object unless there is one; False where there is."""
        options = {"chunksize": _ONE_PUT} if "s3" in self._filesystem.protocol else {}
        for attempt in range(_CONFLICTS):
            try:
                self._filesystem.pipe_file(full, data, mode="create", **options)
            except remote.failures() as error:
                if remote.exists_already(error):
                    return False
                if not remote.is_conflict(error) or attempt == _CONFLICTS - 1:
                    raise
                time.sleep(random.random() * 0.1 * 2**attempt)
            else:
                break
        return True

    def creates_only_new(self, path: str, data: bytes) -> bool:
        """Whether a file that is there is safe from `create_bytes`, tried on one that holds `data`.

        Every local folder says yes; an object store may ignore the condition of a put.
        """
        with self._told("write", path):
            return self.is_local or not self._put_new(self._full(path), data)

    @staticmethod
    def _replace(temporary: str, full: str) -> None:
        try:
            os.replace(temporary, full)
        except OSError:
            os.unlink(temporary)
            raise

    @staticmethod
    def _write_temporary(full: str, data: bytes) -> str:
        os.makedirs(os.path.dirname(full), exist_ok=True)
        temporary = f"{full}.{uuid.uuid4().hex}.partial"
        try:
            with open(temporary, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise
        return temporary

    def require_writable(self) -> None:
        """See before a long run whether files could be written here; writes nothing itself.

        Of an object store it is only seen whether the bucket is there; the rest shows at the first
        write.

        Raises:
            StoreError: they cannot.
        """
        if not self.is_local:
            self.exists()
            return
        path = self.local_path()
        while not path.exists() and path != path.parent:
            path = path.parent
        if not (path.is_dir() and os.access(path, os.W_OK | os.X_OK)):
            raise StoreError(f"cannot write to {self.url}: {path} is no folder that you may change")

    def remove(self, path: str) -> None:
        """Remove a file or a whole folder below the root; nothing happens where it is missing.

        Of a link the link is removed, and never what it leads to.
        """
        if not path:
            raise StoreError(f"what is to be removed in {self.url} has no name")
        full = self._full(path)
        with self._told("remove", path):
            if self.is_local and os.path.islink(full):
                os.unlink(full)
                return
            self._remove(path)

    def clear(self) -> None:
        """Remove the folder with everything in it."""
        with self._told("remove", ""):
            self._remove("")

    def _remove(self, path: str) -> None:
        """Remove what is there, also where others remove the same at this moment."""
        for attempt in range(_CONFLICTS):
            if not self.exists(path):
                return
            try:
                self._filesystem.rm(self._full(path), recursive=True)
            except FileNotFoundError:  # something in it is gone, and the rest is still there
                if attempt == _CONFLICTS - 1:
                    raise

    def names(self, path: str = "", suffix: str = "") -> list[str]:
        """Sorted names of the files directly in `path` that end in `suffix`; empty where it is
        missing."""
        return sorted(
            name
            for name, kind in self._entries(path)
            if kind == "file" and name.endswith(suffix) and not name.endswith(".partial")
        )

    def folders(self, path: str = "") -> list[str]:
        """Sorted names of the folders directly in `path`; empty where it is missing."""
        return sorted(name for name, kind in self._entries(path) if kind == "directory")

    def _entries(self, path: str) -> list[tuple[str, str]]:
        """Name and kind of everything directly in `path`: `file`, `directory` or `other`."""
        full = self._full(path)
        with self._told("list", path):
            try:
                if self.is_local and os.path.isdir(full):
                    with os.scandir(full) as entries:  # asks nothing of each file
                        return [(entry.name, _kind(entry)) for entry in entries]
                listed = self._filesystem.ls(full, detail=True)
            except FileNotFoundError as error:
                if remote.is_without_bucket(error):
                    raise
                return []
        return [(entry["name"].rstrip("/").rsplit("/", 1)[-1], entry["type"]) for entry in listed]

    def sizes(self, path: str, suffix: str = "") -> dict[str, int]:
        """Bytes of every file below `path` that ends in `suffix`, by its path in this folder;
        empty where there is none."""
        root = self._full("")
        with self._told("list", path):
            entries = self._filesystem.find(self._full(path), detail=True)
        whole = {
            # a filesystem may tell the path with or without a slash before it
            str(name).lstrip("/").removeprefix(root.lstrip("/")).lstrip("/"): int(entry["size"])
            for name, entry in entries.items()
            if name.endswith(suffix) and not name.endswith(".partial")
        }
        return dict(sorted(whole.items()))

    def read_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """Parts of files, where the store can do so at the same time.

        Args:
            ranges: of each the path, the first byte and one past the last.
        Returns:
            their bytes, in the order of `ranges`.
        Raises:
            StoreError: a file is missing or cannot be read.
        """
        if not ranges:
            return []
        paths, starts, stops = zip(*ranges, strict=True)
        with self._told("read", paths[0]):
            parts = self._filesystem.cat_ranges(
                [self._full(path) for path in paths], list(starts), list(stops), on_error="raise"
            )
        return [bytes(part) for part in parts]

    def write_json(self, path: str, value: Any) -> str:
        """Write canonical JSON; returns the SHA-256."""
        return self.write_bytes(path, to_json(value))

    def read_json(self, path: str) -> Any:
        """Raises StoreError: the file is missing or is not JSON."""
        try:
            return json.loads(self.read_bytes(path))
        except ValueError as error:
            raise StoreError(f"{self.url}/{path} is not valid JSON: {error}") from error

    def write_table(self, path: str, table: pa.Table, row_group_rows: int | None = None) -> str:
        """Write Parquet with fixed settings: equal tables give equal bytes. Returns the SHA-256.

        Args:
            path: of the file in this folder.
            table: what is written.
            row_group_rows: rows per row group; None for one row group.
        Returns:
            the SHA-256 (hex) of the file.
        """
        return self.write_bytes(path, to_parquet(table, row_group_rows))

    def read_table(self, path: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Raises StoreError: the file is missing or is not Parquet."""
        data = self.read_bytes(path)
        try:
            return from_parquet(data, columns)
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"{self.url}/{path} is not valid Parquet: {error}") from error


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    return "file" if entry.is_file(follow_symlinks=False) else "other"


def to_json(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no spaces that vary; equal values give equal bytes."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()


def to_parquet(table: pa.Table, row_group_rows: int | None = None) -> bytes:
    """Parquet bytes with fixed settings; small row groups make reading a few rows cheap, and
    checksums are there for readers of a part that cannot check the whole file."""
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        row_group_size=row_group_rows,
        write_page_checksum=True,
    )
    return sink.getvalue()


def from_parquet(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """A table, or some of its columns in the order asked for.

    In this thread alone: a thread of Arrow's that lets go of a Python object while the interpreter
    ends takes the process down ("terminate called without an active exception").

    Raises:
        ArrowException, OSError: it is not Parquet, or damaged; KeyError: a column is missing.
    """
    names = None if columns is None else list(columns)
    source = io.BytesIO(data)
    with pq.ParquetFile(source, pre_buffer=False, page_checksum_verification=True) as file:
        table = file.read(columns=names, use_threads=False)
    return table if names is None else table.select(names)


def digest(value: Any) -> str:
    """First 16 bytes (hex) of the SHA-256 of the value's canonical JSON; names units and
    settings."""
    return hashlib.sha256(to_json(value)).hexdigest()[:32]
