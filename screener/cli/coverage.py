"""The lines that say how many molecules models can speak about, and why not about others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from screener.inference.coverage import Coverage
    from screener.stores.library import LibraryStore

N_REASONS = 3


def of_library(library: "LibraryStore", bundles: Sequence[str]) -> "list[Coverage]":
    """The coverage of a library, or of a sample from a large one.

    Args:
        library: that is looked at.
        bundles: names or folders of the models.
    """
    from screener.inference.coverage import coverage, sample

    return coverage(sample(library), bundles)


def lines(coverages: "Sequence[Coverage]", n_rows: int | None) -> list[str]:
    """What is said of it: a line for all models with the same result.

    Args:
        coverages: of the models.
        n_rows: of the whole that the molecules stand for; None where nobody knows.
    """
    return [_line(each, n_rows) for each in coverages]


def _line(one: "Coverage", n_rows: int | None) -> str:
    share = one.n_inside / one.n_molecules if one.n_molecules else 0.0
    many = f"{one.n_inside:,} of {one.n_molecules:,} molecules"
    if one.n_molecules != n_rows:
        looked_at = f"{one.n_inside:,} of {one.n_molecules:,} looked at"
        many = f"{share:.0%} of the molecules ({looked_at})"
    text = f"{_and(one.bundles)} can speak about {many}, as far as drawings tell"
    reasons = list(one.reasons.items())
    if not reasons:
        return text
    shown = [f"{reason} ({n:,})" for reason, n in reasons[:N_REASONS]]
    more = f"; {len(reasons) - N_REASONS:,} rarer reasons" if len(reasons) > N_REASONS else ""
    return f"{text}; not about what {'; '.join(shown)}{more}"


def _and(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
