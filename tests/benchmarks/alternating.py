"""Ways of doing the same work, timed in turn so that a slow minute hits all of them."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil


@dataclass(frozen=True)
class Variant:
    """One way of doing the work; `run` does all of it and raises if it comes out wrong."""

    name: str
    run: Callable[[], None]


@dataclass(frozen=True)
class Timing:
    """What one variant took, round by round."""

    name: str
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)  # of all processes together


@dataclass(frozen=True)
class Comparison:
    """All variants of one benchmark; the first is what the others are compared with."""

    benchmark: str
    n_molecules: int
    timings: list[Timing]

    def rate(self, timing: Timing) -> float:
        """Molecules per second, median."""
        return self.n_molecules / statistics.median(timing.seconds)

    def overhead(self, timing: Timing) -> float:
        """Percent more time than the first variant took in the same round, median."""
        return _percent_more(timing.seconds, self.timings[0].seconds)

    def cpu_overhead(self, timing: Timing) -> float:
        """The same of processor time, which other programs on the machine disturb less."""
        return _percent_more(timing.cpu_seconds, self.timings[0].cpu_seconds)

    def rows(self) -> list[tuple[str, ...]]:
        """Text for a table."""
        first, *others = self.timings
        return [
            (self.benchmark, first.name, f"{self.rate(first):,.1f}", "", ""),
            *(
                (
                    "",
                    other.name,
                    f"{self.rate(other):,.1f}",
                    f"{self.overhead(other):+.1f}",
                    f"{self.cpu_overhead(other):+.1f}",
                )
                for other in others
            ),
        ]

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return {
            "benchmark": self.benchmark,
            "n_molecules": self.n_molecules,
            "variants": [
                {
                    "name": timing.name,
                    "seconds": timing.seconds,
                    "cpu_seconds": timing.cpu_seconds,
                    "molecules_per_second": self.rate(timing),
                    "overhead_percent": self.overhead(timing),
                    "cpu_overhead_percent": self.cpu_overhead(timing),
                }
                for timing in self.timings
            ],
        }


def compare(
    benchmark: str, n_molecules: int, variants: Sequence[Variant], n_rounds: int
) -> Comparison:
    """Run all variants once unheard, for imports and caches, then `n_rounds` times in turn."""
    for variant in variants:
        variant.run()
    timings = [Timing(variant.name) for variant in variants]
    for _ in range(n_rounds):
        for variant, timing in zip(variants, timings, strict=True):
            started, cpu_started = time.perf_counter(), _cpu_seconds()
            variant.run()
            timing.seconds.append(time.perf_counter() - started)
            timing.cpu_seconds.append(_cpu_seconds() - cpu_started)
    return Comparison(benchmark, n_molecules, timings)


def _percent_more(mine: Sequence[float], theirs: Sequence[float]) -> float:
    ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
    return 100 * (statistics.median(ratios) - 1)


def _cpu_seconds() -> float:
    """Of this process and all below it, those that have ended included."""
    this = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in [this, *this.children(recursive=True)])
