"""How `domain_reasons` says that the prediction of one column is no answer.

A molecule may be inside the domain of a model and the prediction of a single column of it still be
worth nothing. The column is null then, and one reason that begins with its name says why.
"""

from collections.abc import Iterable

from screener.registry.quantities import Column
from screener.stores.domain_reasons import joined, separated, with_numbers

_UNCERTAIN = " is too uncertain"
_IMPOSSIBLE = " is impossible"
PATTERN = f"{_UNCERTAIN}|{_IMPOSSIBLE}"  # regular expression that finds texts with such reasons


def too_uncertain(column: Column, width: float, limit: float) -> str:
    """The reason of an interval that tells nothing.

    Args:
        column: what is predicted.
        width: of the 90 % interval, in the unit of the column.
        limit: of widths, in the same unit.
    Returns:
        the text, with its numbers.
    """
    return with_numbers(f"{column.name}{_UNCERTAIN}", {"width": width, "limit": limit})


def impossible(column: Column, low: float, high: float) -> str:
    """The reason of an interval in which nothing is possible.

    Args:
        column: what is predicted.
        low, high: ends of the 90 % interval, in the unit of the column.
    Returns:
        the text, with its numbers.
    """
    lower, upper = column.quantity.lower, column.quantity.upper
    bound = lower if lower is not None and high <= lower else upper
    numbers = {"low": low, "high": high, "bound": 0.0 if bound is None else bound}
    return with_numbers(f"{column.name}{_IMPOSSIBLE}", numbers)


def refused_columns(reasons: str) -> frozenset[str]:
    """The columns of which `domain_reasons` says that their prediction is no answer."""
    named = (_refused(reason) for reason in separated(reasons))
    return frozenset(name for name in named if name)


def refusals_of(reasons: str, columns: Iterable[str]) -> str:
    """Those reasons of `domain_reasons` that are about some columns."""
    wanted = set(columns)
    return joined(each for each in separated(reasons) if _refused(each) in wanted)


def without_refusals(reasons: str, columns: Iterable[str]) -> str:
    """`domain_reasons` without its reasons about some columns."""
    dropped = set(columns)
    return joined(each for each in separated(reasons) if _refused(each) not in dropped)


def _refused(reason: str) -> str | None:
    """The column that a reason is about; None where it is about the molecule."""
    for ending in (_UNCERTAIN, _IMPOSSIBLE):
        name, found, _ = reason.partition(ending)
        if found and " " not in name:
            return name
    return None
