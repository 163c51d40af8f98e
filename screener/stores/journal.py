"""A journal: JSON lines that one client at a time appends to, and that anybody can follow.

Locally one file, `log.jsonl`. An object store cannot append, so each session puts parts below
`log/`, whose names sort by time: the part under way is put again, at most every half minute, until
it has a megabyte, so what is written stays within a small multiple of what there is to say.
Followers keep a position in each file and read nothing twice.
"""

import errno
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from screener.errors import StoreError
from screener.stores.files import Folder

log = logging.getLogger(__name__)

LOG = "log.jsonl"
PARTS = "log"
PUT_SECONDS = 30.0
PART_BYTES = 1_000_000
_TAIL_BYTES = 1 << 16


class Journal:
    """The writing end. Threads may share it.

    Args:
        folder: what the journal belongs to; only its owner may write.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._session = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._part = 0
        self._kept: list[bytes] = []  # lines of the part under way
        self._is_put = True
        self._has_failed = False  # then it is not tried again at every line
        self._put_at = -PUT_SECONDS  # so that the first line is put at once
        if folder.is_local:
            self._end_torn_line()

    def append(self, values: Mapping[str, Any]) -> None:
        """Add one line.

        Raises:
            StoreError: the local file cannot be written.
        """
        line = json.dumps(values, ensure_ascii=False, default=str).encode() + b"\n"
        with self._lock:
            if self._folder.is_local:
                self._append_local(line)
            else:
                self._kept.append(line)
                self._is_put = False
        self.put_what_is_due()

    def put_what_is_due(self) -> None:
        """Put lines that have waited long enough; call it now and then where lines are rare.

        What an object store does not take is kept for the next time.
        """
        with self._lock:
            is_full = sum(map(len, self._kept)) >= PART_BYTES
            is_due = time.monotonic() - self._put_at >= PUT_SECONDS
            if not (is_due or (is_full and not self._has_failed)):
                return
            try:
                self._put()
            except StoreError as error:
                log.debug("the journal waits: %s", error)
            else:
                if is_full:
                    self._part += 1
                    self._kept = []

    def close(self) -> None:
        """Put everything.

        Raises:
            StoreError: the store does not take it.
        """
        with self._lock:
            self._put()

    def _put(self) -> None:
        if self._is_put:
            return
        name = f"{PARTS}/{self._session}-{self._part:06d}.jsonl"
        self._put_at = time.monotonic()
        self._has_failed = True
        self._folder.write_bytes(name, b"".join(self._kept))
        self._has_failed = False
        self._is_put = True

    def _append_local(self, line: bytes) -> None:
        """Whole or not at all: the disk may be full, and readers see whole lines."""
        path = self._folder.local_path(LOG)
        try:
            with open(path, "ab", buffering=0) as file:
                end = file.tell()
                try:
                    if file.write(line) < len(line):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError:
                    file.truncate(end)
                    raise
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error

    def _end_torn_line(self) -> None:
        """Cut off what a client that died, or a full disk, left of its last line."""
        path = self._folder.local_path(LOG)
        try:
            with open(path, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                tail = file.read()
                if not tail.endswith(b"\n"):
                    file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}") from error


class JournalReader:
    """The reading end, in any process: lines in the order in which they were written.

    Args:
        folder: what the journal belongs to.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}  # bytes read by file
        self._part = ""  # the last part; those before it are complete

    def new(self) -> Iterator[dict[str, Any]]:
        """Lines that were added since the last call; what is not JSON is passed over.

        Raises:
            StoreError: a file cannot be read.
        """
        if self._folder.exists(LOG):
            yield from self._new_in(LOG)
        for name in self._folder.names(PARTS, ".jsonl"):
            if name >= self._part:
                self._part = name
                yield from self._new_in(f"{PARTS}/{name}")

    def _new_in(self, path: str) -> Iterator[dict[str, Any]]:
        size = self._folder.size(path)
        start = self._read.get(path, 0)
        if size < start:  # somebody put it away
            start = 0
        if size == start:
            return
        whole, newline, _ = self._folder.read_bytes(path, start, size).rpartition(b"\n")
        self._read[path] = start + len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                values = json.loads(line)
            except ValueError:
                continue
            if isinstance(values, dict):
                yield values
