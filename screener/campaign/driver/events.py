"""What happens in a campaign, as events in its journal (`log.jsonl`).

Every event has `time` (UTC, ISO 8601), `level` (INFO, WARNING or ERROR) and `event`, its name, with
these fields (bytes and seconds are plain numbers):

- `started`: command, host, pid, versions, compute and ranking (digests), n_workers, n_threads,
  cluster, scheduler, dashboard
- `lease taken over`: host, pid, last_sign_of_life of the client that left it
- `stage started`: stage, n_units, n_rows, n_units_done, n_rows_done; where something is left
- `batch chosen`: stage, number, n_rows, is_audit; by a search, before they are evaluated
- `units`: what was finished since the last such event, at most every ten seconds, so that a
  quarter of a million units stay a small file: stage, n_units, seconds (of their tasks together),
  counts (rows by status), quarantine (rows by code), hosts (units by host), and `units`, their
  names, while they are few
- `tried again`: task, attempt, reason
- `worker joined`, `worker left`: worker (address); of one that left, expected
- `waiting`: for (what), seconds (so far), state; told to people where it began
- `memory`: resident bytes: client_bytes, scheduler_bytes (null where it is the client's process),
  n_workers, worker_min_bytes, worker_median_bytes, worker_max_bytes
- `warning`: logger, message; any other warning or error of this package
- `stage finished`: stage, counts, quarantine
- `ranked`: ranking, name, shortlisted
- `stopped`: reason; the session ended before the shortlist

Events are also passed to `logging`, as INFO, where a handler finds them in `event` and `fields` of
a record.
No event holds the environment.
"""

import logging
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from screener import waiting
from screener.errors import StoreError
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.journal import Journal

log = logging.getLogger(__name__)

UNITS_SECONDS = 10.0
N_NAMED = 20  # units and hosts that one event names at most


class EventLog:
    """The events of one session; threads may share it. A context: it tells how the session ended.

    Args:
        folder: of the campaign; only its owner may write.
    """

    def __init__(self, folder: Folder) -> None:
        self._journal = Journal(folder)
        self._lock = threading.Lock()
        self._sums: dict[str, _Sums] = {}  # by stage; told with the next `units`
        self._told_at = -UNITS_SECONDS
        self._later: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._warnings = _Warnings(self)

    def __enter__(self) -> "EventLog":
        _package_logger().addHandler(self._warnings)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _package_logger().removeHandler(self._warnings)
        if error is None:
            self.close()
            return
        with suppress(StoreError):  # why the session ended matters more
            self.tell_units()
            self.write("stopped", level="ERROR", reason=_reason(error))
            self.close()

    def write(self, event: str, level: str = "INFO", **fields: Any) -> None:
        """Add an event.

        Raises:
            StoreError: it cannot be written.
        """
        self.append(event, level, fields)
        text = " ".join(f"{name}={value}" for name, value in fields.items())
        # what is worth a warning to a person has been one where it happened
        log.info("%s %s", event, text, extra={"event": event, "fields": {"level": level, **fields}})

    def append(self, event: str, level: str, fields: dict[str, Any]) -> None:
        """Add an event that `logging` knows of already.

        Args:
            event: what happened.
            level: as `logging` names it.
            fields: plain values, by name.
        """
        self._append_what_waits()
        self._journal.append({**_head(event, level), **fields})

    def _append_what_waits(self) -> None:
        with suppress(Empty):
            while True:
                self._journal.append(self._later.get_nowait())

    def append_later(self, event: str, level: str, fields: dict[str, Any]) -> None:
        """Add an event with the next one, without waiting for the store.

        Args:
            event: what happened.
            level: as `logging` names it.
            fields: plain values, by name.
        """
        self._later.put({**_head(event, level), **fields})

    def unit(self, receipt: Receipt) -> None:
        """A unit is done; told at once or with others."""
        with self._lock:
            self._sums.setdefault(receipt.stage, _Sums()).add(receipt)
        self.tell_what_is_due()

    def tell_what_is_due(self) -> None:
        """Write what has waited long enough; call it now and then where units are rare."""
        if time.monotonic() - self._told_at >= UNITS_SECONDS:
            self.tell_units()
        self._append_what_waits()
        self._journal.put_what_is_due()

    def tell_units(self) -> None:
        """Write what is known of units by now."""
        with self._lock:
            sums_by_stage, self._sums = self._sums, {}
        for stage, sums in sums_by_stage.items():
            self.write("units", stage=stage, **sums.fields())
            self._told_at = time.monotonic()

    def close(self) -> None:
        """Write everything that waits."""
        self.tell_units()
        self._append_what_waits()
        self._journal.close()


class _Warnings(logging.Handler):
    """Passes the package's warnings to the journal."""

    def __init__(self, events: EventLog) -> None:
        super().__init__(logging.WARNING)
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, "event", "warning")
        fields = getattr(record, "fields", None)
        if fields is None:
            fields = {"logger": record.name, "message": record.getMessage()}
        if event == waiting.EVENT:  # perhaps for this very journal
            self._events.append_later(event, record.levelname, fields)
        else:
            with suppress(StoreError):  # a warning stops nothing; the next event tells
                self._events.append(event, record.levelname, fields)
        if self._is_alone() and logging.lastResort is not None:
            logging.lastResort.handle(record)  # as it would be without this handler

    def _is_alone(self) -> bool:
        """Whether nobody has configured logging, as in a notebook."""
        loggers = logging.getLogger(), _package_logger()
        return [each for logger in loggers for each in logger.handlers] == [self]


def _head(event: str, level: str) -> dict[str, str]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"time": now, "level": level, "event": event}


def _package_logger() -> logging.Logger:
    return logging.getLogger(__name__.partition(".")[0])


@dataclass
class _Sums:
    """What the units of a stage add up to that have not been told yet."""

    n_units: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    quarantine: Counter[str] = field(default_factory=Counter)
    hosts: Counter[str] = field(default_factory=Counter)
    names: list[str] = field(default_factory=list)

    def add(self, receipt: Receipt) -> None:
        self.n_units += 1
        self.seconds += receipt.seconds
        self.counts.update(receipt.counts)
        self.quarantine.update(receipt.details["quarantine"])
        self.hosts[receipt.details.get("host", "?")] += 1  # older receipts do not tell
        if len(self.names) <= N_NAMED:
            self.names.append(receipt.unit)

    def fields(self) -> dict[str, Any]:
        return {
            "n_units": self.n_units,
            "seconds": round(self.seconds, 3),
            "counts": dict(self.counts),
            "quarantine": dict(self.quarantine.most_common()),
            "hosts": dict(self.hosts.most_common(N_NAMED)),
            **({"units": self.names} if self.n_units <= N_NAMED else {}),
        }


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"{type(error).__name__}: {error}"
