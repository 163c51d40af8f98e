"""Leases: one client at a time works in a folder.

A lease is a chain of numbered files, each created exclusively by one owner and renewed by it alone;
the highest number counts. A new owner may create the next number once the last one was released,
was not renewed for 60 s, or belongs to a process of this machine that is dead. Nobody ever replaces
another's file, so two clients that find the same dead owner cannot both take over. That rests on
the store: an object store has to refuse a put with `If-None-Match: *` where there is an object. It
is tried each time, and one that does not is warned of.

Ages are measured between the clocks of two machines: they must agree to within some 40 s.
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from screener.errors import ConfigError, StoreError
from screener.stores.files import Folder, to_json

log = logging.getLogger(__name__)

RENEW_SECONDS = 10.0
EXPIRE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Owner:
    """What a lease file says."""

    host: str
    pid: int
    process: str  # tells apart processes with equal numbers: machine, boot, container, start
    token: str
    time: float  # of the last renewal, seconds since 1970
    released: bool = False

    @classmethod
    def of_this_process(cls) -> "Owner":
        """This process under a new token."""
        pid = os.getpid()
        return cls(socket.gethostname(), pid, _identity(pid), uuid.uuid4().hex, time.time())

    def is_free(self) -> bool:
        """Whether another may take over."""
        return self.released or time.time() - self.time > EXPIRE_SECONDS or self._is_dead()

    def _is_dead(self) -> bool:
        if _space(self.process) != _space(_identity(os.getpid())):
            return False  # another machine or container: its process numbers say nothing here
        return _identity(self.pid) != self.process

    @property
    def last_sign_of_life(self) -> str:
        """The time of the last renewal, UTC, ISO 8601."""
        return datetime.fromtimestamp(self.time, UTC).isoformat(timespec="seconds")

    def __str__(self) -> str:
        renewed = datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"process {self.pid} on {self.host} (last sign of life {renewed})"


class Lease:
    """The right to work in a folder.

    Args:
        folder: where the lease files lie, below `leases/`.
        name: of the lease; different names exclude nobody.
    """

    def __init__(self, folder: Folder, name: str = "owner") -> None:
        self._folder = folder
        self._name = name
        self._number = 0
        self._owner: Owner | None = None
        self.taken_from: Owner | None = None  # who left the lease unreleased, once it is held
        self._renewed = 0.0  # on the monotonic clock
        self._lost = ""
        self._finished = threading.Event()

    @contextmanager
    def held(self) -> Iterator["Lease"]:
        """Own the folder for as long as the context.

        Raises:
            ConfigError: another client owns it; the message says who, where and since when.
            StoreError: the folder cannot be written.
        """
        self._acquire()
        self._finished.clear()
        renewal = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        renewal.start()
        try:
            yield self
        finally:
            self._finished.set()
            renewal.join()
            self._release()

    @property
    def token(self) -> str:
        """Names this attempt at the work; only while held."""
        if self._owner is None:
            raise StoreError(f"the lease on {self._folder.url} is not held")
        return self._owner.token

    def check(self) -> None:
        """Raises StoreError: the lease is not ours any more. Costs nothing; call it often."""
        if not self._lost and time.monotonic() - self._renewed > EXPIRE_SECONDS:
            self._lost = f"it could not be renewed for {EXPIRE_SECONDS:g} s"
        if self._owner is None or self._lost:
            raise StoreError(
                f"the lease on {self._folder.url} is lost: {self._lost or 'it is not held'}. "
                "Nothing that is done is lost; run the same command again once the other has ended"
            )

    def owner(self) -> Owner | None:
        """Who owned the folder last, and may own it still; None before anybody did.

        Raises:
            StoreError: the folder cannot be read.
        """
        last = self._last_number()
        return self._read(last) if last else None

    def _acquire(self) -> None:
        last = self._last_number()
        if last:
            owner = self._read(last)
            if not owner.is_free():
                raise self._refusal(owner)
            if not owner.released:
                log.warning("taking over %s from %s", self._folder.url, owner)
                self.taken_from = owner
        owner = Owner.of_this_process()
        started = time.monotonic()
        path, content = self._path(last + 1), to_json(asdict(owner))
        if not self._folder.create_bytes(path, content):
            raise self._refusal(self._read(last + 1))  # another was faster
        if not self._folder.creates_only_new(path, content):
            log.warning(
                "the store of %s ignores `If-None-Match: *`: two commands that begin in this "
                "folder at the same moment do not see each other. Begin one at a time, or use a "
                "store that knows conditional puts",
                self._folder.url,
            )
        if self._last_number() != last + 1:  # others came and went since we looked
            self._folder.remove(self._path(last + 1))
            raise self._refusal(self._read(self._last_number()))
        self._number, self._owner, self._renewed, self._lost = last + 1, owner, started, ""
        for number in self._numbers():
            if number < last:
                self._folder.remove(self._path(number))

    def _refusal(self, owner: Owner) -> ConfigError:
        return ConfigError(
            f"{self._folder.url} is in use by {owner}. Wait for it to end, or end it; should it be "
            f"dead, the folder is free {EXPIRE_SECONDS:g} s after its last sign of life"
        )

    def _keep_renewing(self) -> None:
        while not self._finished.wait(RENEW_SECONDS):
            try:
                self._renew()
            except StoreError as error:  # may pass; `check` counts the seconds
                log.warning("the lease on %s was not renewed: %s", self._folder.url, error)

    def _renew(self) -> None:
        assert self._owner is not None
        if self._lost:
            return
        if (last := self._last_number()) > self._number:
            self._lost = f"{self._read(last)} took over"
            return
        started = time.monotonic()
        self._owner = replace(self._owner, time=time.time())
        self._folder.write_bytes(self._path(self._number), to_json(asdict(self._owner)))
        self._renewed = started

    def _release(self) -> None:
        assert self._owner is not None
        if not self._lost:
            released = replace(self._owner, time=time.time(), released=True)
            try:
                self._folder.write_bytes(self._path(self._number), to_json(asdict(released)))
            except StoreError as error:  # it expires; why the work ended matters more
                log.warning("the lease on %s was not released: %s", self._folder.url, error)
        self._owner = None

    def _path(self, number: int) -> str:
        return f"leases/{self._name}-{number:08d}.json"

    def _numbers(self) -> list[int]:
        prefix = f"{self._name}-"
        stems = (name.removesuffix(".json") for name in self._folder.names("leases", ".json"))
        texts = (stem.removeprefix(prefix) for stem in stems if stem.startswith(prefix))
        return sorted(int(text) for text in texts if text.isdecimal())

    def _last_number(self) -> int:
        return max(self._numbers(), default=0)

    def _read(self, number: int) -> Owner:
        data = self._folder.read_bytes(self._path(number))
        try:
            return Owner(**json.loads(data))
        except (TypeError, ValueError) as error:
            raise StoreError(
                f"{self._folder.url}/{self._path(number)} is not a lease ({error}); "
                "delete it if nobody works in this folder"
            ) from error


def _identity(pid: int) -> str:
    """One process and no other: `space/pid/start`; with an empty start where it is dead."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux: the name of the machine has to do
        space = socket.gethostname()
        return f"{space}/{pid}/{'alive' if _exists(pid) else ''}"
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return f"{space}/{pid}/"
    start = state[19] if state[0] not in "ZX" else ""  # dead, its parent has not noticed yet
    return f"{space}/{pid}/{start}"


def _space(identity: str) -> str:
    return identity.split("/", 1)[0]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
