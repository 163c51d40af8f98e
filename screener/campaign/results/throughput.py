"""How fast a stage goes at present, from when its units were finished."""

import heapq
from dataclasses import dataclass, field

WINDOW_SECONDS = 60.0
N_RECENT = 16  # units that count at least, where they take longer


@dataclass
class Throughput:
    """The units of the last minute, or the last few where they are slow; added in any order."""

    newest: float | None = None  # when the last unit was finished, seconds since 1970
    _recent: list[tuple[float, int]] = field(default_factory=list)  # heap of (finished, rows)

    def add(self, finished: float, n_rows: int) -> None:
        """Count a unit."""
        heapq.heappush(self._recent, (finished, n_rows))
        self.newest = finished if self.newest is None else max(self.newest, finished)
        while len(self._recent) > N_RECENT and self._recent[0][0] < self.newest - WINDOW_SECONDS:
            heapq.heappop(self._recent)

    def rate(self, now: float, since: float) -> float | None:
        """Rows per second of all workers together; None while it cannot be told.

        Falls once nothing has been finished for a minute, whatever the clocks of the workers say
        to within that.

        Args:
            now: seconds since 1970.
            since: what was finished before, by an earlier session, says nothing.
        """
        times = sorted(each for each in self._recent if each[0] >= since)
        if self.newest is None or len(times) < 2:
            return None
        span = max(self.newest, now - WINDOW_SECONDS) - times[0][0]
        return sum(rows for _, rows in times[1:]) / span if span > 0 else None
