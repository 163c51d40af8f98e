"""How well a bundle predicts the labels of an outside file: errors, intervals, by size.

Counts add up: of the rows asked for, `n_quarantined` have no structure or no label, a share
`in_domain` of the others is inside the domain, and those `n` are compared.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.bundle import Bundle
from screener.models.card import Card
from screener.models.uncertainty.domain import heavy_atoms
from screener.records import Structure
from screener.training.tables.conventions import parse_quantity
from screener.training.tables.labelled import LabelledTable, Needs
from screener.training.tables.options import TableOptions
from screener.training.tables.sanity import zero_point_estimate
from screener.units import ELEMENTS

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Errors:
    """Of some rows, in the quantity's unit; without rows there is nothing but `n`."""

    n: int
    mae: float | None
    rmse: float | None
    bias: float | None  # predicted minus label
    coverage_90: float | None  # share of labels inside the stated 90 % interval
    width_90: float | None  # mean width of the interval


@dataclass(frozen=True, slots=True, eq=False)
class Assessment:
    """One quantity."""

    quantity: str
    unit: str
    n_quarantined: int
    in_domain: float | None  # share of the rows that have structure and label
    errors: Errors
    by_n_heavy: dict[int, Errors]
    label: FloatArray  # (n,), what was compared
    predicted: FloatArray  # (n,)
    note: str  # what a reader has to know of the labels, or empty

    def as_json(self) -> dict[str, Any]:
        """What `screener evaluate --json` prints."""
        return {
            "quantity": self.quantity,
            "unit": self.unit,
            **asdict(self.errors),
            "n_quarantined": self.n_quarantined,
            "by_n_heavy": {str(size): asdict(found) for size, found in self.by_n_heavy.items()},
            "in_domain": self.in_domain,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Of one bundle on one file."""

    quantities: tuple[Assessment, ...]
    predictions: pa.Table  # `row`, `n_heavy`, predictions and labels of the rows with structures
    outside: dict[str, int]  # reasons to be outside the domain, commonest first


def needs_of(card: Card, options: TableOptions) -> Needs:
    """What has to be made of a file for a bundle.

    Raises:
        ConfigError: the bundle does not predict a labelled quantity, or the low level is given
            where it is computed here, or missing where it cannot be.
    """
    predicted = [*card.quantities]
    for name in options.labels:
        if name not in predicted:
            raise ConfigError(
                f"bundle {card.name} does not predict {name}, but {', '.join(predicted)}; labels "
                "in another unit go by that name too: say their unit with --unit"
            )
        named = parse_quantity(name)
        if named.is_atomization and options.zpe == "included" and not named.has_zero_point:
            raise ConfigError(
                f"{name} is without zero-point energy, and the labels are said to contain it"
            )
    computed = card.low in (None, "gfn2")
    if options.low is not None and computed:
        level = "has no low level" if card.low is None else "computes its low level gfn2 itself"
        raise ConfigError(f"bundle {card.name} {level}: leave out --low")
    if options.low is None and not computed:
        raise ConfigError(
            f"bundle {card.name} adds to {card.low} energies, which cannot be computed here: name "
            "their column with --low"
        )
    return Needs(
        level=card.geometry_level,
        n_conformers=card.n_conformers,
        gfn2=card.low == "gfn2",
        elements=tuple(ELEMENTS[symbol] for symbol in card.elements),
    )


def evaluate(bundle: Bundle, table: LabelledTable, options: TableOptions) -> Evaluation:
    """Compare predictions with labels.

    Args:
        bundle: whose needs (`needs_of`) the table was made for.
        table: labelled structures.
        options: that they were read with.
    Raises:
        ConfigError: no row can be compared; the message says why.
    """
    places = np.flatnonzero(table.made)
    known = [each for each in table.structures if isinstance(each, Structure)]
    predictions = _predicted(bundle, known, None if table.low is None else table.low[places])
    sizes = np.array([heavy_atoms(each) for each in known], dtype=np.int64)
    n_rows = len(table.rows)
    quantities = []
    columns: dict[str, Any] = {"row": table.rows[places], "n_heavy": sizes}
    for name, all_labels in table.labels.items():
        labels, note = _comparable(name, all_labels[places], known, options)
        columns[f"{name}_label"] = pa.array(labels, from_pandas=True)
        quantities.append(_assess(name, labels, predictions, sizes, n_rows, note))
    for name in predictions.column_names:
        columns[name] = predictions[name]
    reasons = Counter(
        reason
        for text in predictions["domain_reasons"].to_pylist()
        for reason in (text.split("; ") if text else [])
    )
    if not any(found.errors.n for found in quantities):
        raise ConfigError(_nothing(table, reasons))
    return Evaluation(tuple(quantities), pa.table(columns), dict(reasons.most_common()))


def _predicted(bundle: Bundle, known: list[Structure], low: FloatArray | None) -> pa.Table:
    if low is None:
        return bundle.predict(known)
    columns = {
        quantity.low
        for name, quantity in bundle.card.quantities.items()
        if quantity.low is not None and parse_quantity(name).is_atomization
    }
    return bundle.predict(known, dict.fromkeys(columns, low))


def _comparable(
    name: str, labels: FloatArray, known: list[Structure], options: TableOptions
) -> tuple[FloatArray, str]:
    """Labels that contain the zero-point energy where the quantity does, and a note."""
    if options.zpe == "included" or not parse_quantity(name).has_zero_point:
        return labels, ""
    counts = {
        number: np.array([np.count_nonzero(s.atomic_numbers == number) for s in known])
        for number in sorted({int(z) for s in known for z in s.atomic_numbers})
    }
    note = (
        "the labels are without zero-point energy; it was estimated from composition, which is "
        "good to 1.1 kcal/mol (root mean square, QM9)"
    )
    return (labels - zero_point_estimate(counts) if counts else labels), note


def _assess(
    name: str,
    labels: FloatArray,
    predictions: pa.Table,
    sizes: NDArray[np.int64],
    n_rows: int,
    note: str,
) -> Assessment:
    has_label = np.isfinite(labels)
    values = {
        ending: _column(predictions, name + ending, len(labels))
        for ending in ("", "_lo90", "_hi90")
    }
    compared = has_label & np.isfinite(values[""])
    chosen = {ending: found[compared] for ending, found in values.items()}
    label, size = labels[compared], sizes[compared]
    return Assessment(
        quantity=name,
        unit=parse_quantity(name).unit,
        n_quarantined=n_rows - int(has_label.sum()),
        in_domain=float(compared.sum() / has_label.sum()) if has_label.any() else None,
        errors=_errors(label, chosen),
        by_n_heavy={
            int(each): _errors(
                label[size == each], {e: found[size == each] for e, found in chosen.items()}
            )
            for each in np.unique(size)
        },
        label=label,
        predicted=chosen[""],
        note=note,
    )


def _errors(labels: FloatArray, values: Mapping[str, FloatArray]) -> Errors:
    if len(labels) == 0:
        return Errors(0, None, None, None, None, None)
    error = values[""] - labels
    low, high = values["_lo90"], values["_hi90"]
    has_interval = bool(np.isfinite(low).all() and np.isfinite(high).all())
    return Errors(
        n=len(labels),
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt((error**2).mean())),
        bias=float(error.mean()),
        coverage_90=float(((low <= labels) & (labels <= high)).mean()) if has_interval else None,
        width_90=float((high - low).mean()) if has_interval else None,
    )


def _column(table: pa.Table, name: str, n: int) -> FloatArray:
    if name not in table.column_names:
        return np.full(n, np.nan)
    return np.asarray(table[name].to_numpy(zero_copy_only=False), dtype=np.float64)


def _nothing(table: LabelledTable, reasons: Counter[str]) -> str:
    codes = Counter(f"{record.code} ({record.message})" for record in table.quarantine())
    why = [f"{n} rows: {text}" for text, n in (codes + reasons).most_common(3)]
    return f"none of {len(table.rows)} rows can be compared; " + "; ".join(why)
