"""Tells a person what the program waits for, before the silence gets long.

A wait says what it is for, and what to do should it not end. The first notice of it comes after
`FIRST_SECONDS`, the next ones after ever longer times. A notice is a warning of `logging`, so it
stands on standard error, in the log of a batch job, and in the journal of a campaign as `waiting`.

A loop that looks again and again holds a `Wait` and calls `tell_if_due`. Around a call that blocks
stands `waiting`, for which a thread of its own watches the time.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

log = logging.getLogger(__name__)

FIRST_SECONDS = 20.0  # to the first notice; nobody should wonder for half a minute
LONGEST_SECONDS = 600.0  # between two notices; until then each pause is as long as the wait so far
LOOK_SECONDS = 1.0  # between two looks at calls that block

EVENT = "waiting"


class Wait:
    """A wait that has begun.

    Args:
        for_what: completes "waiting for ...".
        to_do: a sentence that says what a person can do.
    """

    def __init__(self, for_what: str, to_do: str) -> None:
        self._for_what = for_what
        self._to_do = to_do
        self.begin()

    def begin(self) -> None:
        """Count from now on: what was waited for has come, and the next one is waited for."""
        self._started = time.monotonic()
        self._due = FIRST_SECONDS

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self._started

    @property
    def is_long(self) -> bool:
        """Whether it has lasted long enough to be spoken of."""
        return self.seconds >= FIRST_SECONDS

    def tell_if_due(self, state: str = "", to_do: str = "") -> None:
        """Give a notice if it is time for one; costs next to nothing if it is not.

        Args:
            state: how far it is, such as "2 of 4 are there".
            to_do: in place of what was said at the beginning.
        """
        seconds = self.seconds
        if seconds < self._due:
            return
        self._due = seconds + min(seconds, LONGEST_SECONDS)
        since = datetime.fromtimestamp(time.time() - seconds).strftime("%H:%M:%S")
        so_far = f" ({state})" if state else ""
        fields = {"for": self._for_what, "seconds": round(seconds), "state": state}
        log.warning(
            *(
                "waiting for %s since %s, %.0f s by now%s. %s",
                *(self._for_what, since, seconds, so_far, to_do or self._to_do),
            ),
            extra={"event": EVENT, "fields": fields},
        )


@contextmanager
def waiting(for_what: str, to_do: str, state: Callable[[], str] = str) -> Iterator[None]:
    """Give notices while the block lasts, whatever it is doing.

    Args:
        for_what: completes "waiting for ...".
        to_do: a sentence that says what a person can do.
        state: says how far it is; called in another thread, so it must not wait for anything.
    Yields:
        nothing.
    """
    wait = Wait(for_what, to_do)
    _watcher.add(wait, state)
    try:
        yield
    finally:
        _watcher.drop(wait)


class _Watcher:
    """Looks at all waits of this process now and then, in a thread that is there while any is.

    Of waits within one another the innermost is told that is long enough.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[Wait, tuple[int, Callable[[], str]]] = {}  # thread and state of each
        self._is_running = False

    def add(self, wait: Wait, state: Callable[[], str]) -> None:
        with self._lock:
            self._waits[wait] = threading.get_ident(), state
            if self._is_running:
                return
            with suppress(RuntimeError):  # the interpreter is ending, or there is no thread left
                threading.Thread(target=self._watch, name="waiting", daemon=True).start()
                self._is_running = True

    def drop(self, wait: Wait) -> None:
        with self._lock:
            self._waits.pop(wait, None)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if not self._waits:
                    self._is_running = False
                    return
            self.look()

    def look(self) -> None:
        """Tell the waits that are due."""
        with self._lock:
            long = {
                thread: (wait, state)  # a later one of the same thread is within the earlier
                for wait, (thread, state) in self._waits.items()
                if wait.is_long
            }
        for wait, state in long.values():
            wait.tell_if_due(state())


_watcher = _Watcher()


def _forget() -> None:
    """In a fork of this process, which has none of its threads and waits for nothing yet."""
    global _watcher
    _watcher = _Watcher()


os.register_at_fork(after_in_child=_forget)
