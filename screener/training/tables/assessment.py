"""How well a bundle predicts the labels of an outside file: errors, intervals, by size.

Counts add up: of the rows asked for, `n_quarantined` have no structure or no label, a share
`in_domain` of the others is inside the domain, and those `n` are compared.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.chemistry.conformers import atomic_numbers_of, molecule_with_hydrogens
from screener.errors import ConfigError, MoleculeError
from screener.models.bundle import Bundle
from screener.models.card import Card
from screener.models.low_values import LowValues
from screener.records import Structure
from screener.registry.elements import number_of
from screener.registry.quantities import Column
from screener.stores.domain_reasons import kinds_in
from screener.training.tables.conventions import has_zero_point, is_atomization
from screener.training.tables.labelled import LabelledTable, Needs
from screener.training.tables.options import TableOptions
from screener.training.tables.sanity import zero_point_estimate

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
            "by_n_heavy": {str(size): asdict(each) for size, each in self.by_n_heavy.items()},
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
        column = options.column_of(name)
        if is_atomization(column) and options.zpe == "included" and not has_zero_point(column):
            raise ConfigError(
                f"{name} is without zero-point energy, and the labels are said to contain it"
            )
    if options.low is not None and card.given_low is None:
        why = f"computes its low level {card.low} itself" if card.low else "has no low level"
        raise ConfigError(f"bundle {card.name} {why}: leave out --low")
    if options.low is None and card.given_low is not None:
        raise ConfigError(
            f"bundle {card.name} adds to {card.given_low}, which cannot be computed here: name the "
            "column that holds it with --low"
        )
    low = card.targets().low_columns if card.given_low is None else ()
    return Needs(
        level=card.geometry_level,
        n_conformers=card.n_conformers,
        values=LowValues(low).read,
        low=card.given_low,
        elements=tuple(number_of(symbol) for symbol in card.elements),
    )


def evaluate(bundle: Bundle, table: LabelledTable, options: TableOptions) -> Evaluation:
    """Compare predictions with labels.

    Args:
        bundle: whose needs (`needs_of`) the table was made for.
        table: labelled structures.
        options: that they were read with.
    Returns:
        errors, intervals and counts, as a whole and by size.
    Raises:
        ConfigError: no row can be compared; the message says why.
    """
    places = np.flatnonzero(table.made)
    known = [each for each in table.inputs if not isinstance(each, MoleculeError)]
    given = bundle.card.given_low
    low = None if table.low is None or given is None else {given: table.low[places]}
    predictions = bundle.predict(cast(list[Structure], known), low)
    counts = [_composition(each) for each in known]
    sizes = np.array([sum(each.values()) - each[1] for each in counts], dtype=np.int64)
    n_rows = len(table.rows)
    quantities = []
    columns: dict[str, Any] = {"row": table.rows[places], "n_heavy": sizes}
    for name, all_labels in table.labels.items():
        labels, note = _comparable(options.column_of(name), all_labels[places], counts, options)
        columns[f"{name}_label"] = pa.array(labels, from_pandas=True)
        column = options.column_of(name)
        quantities.append(_assess(column, labels, predictions, sizes, n_rows, note))
    for name in predictions.column_names:
        columns[name] = predictions[name]
    reasons = Counter(
        reason for text in predictions["domain_reasons"].to_pylist() for reason in kinds_in(text)
    )
    if not any(each.errors.n for each in quantities):
        raise ConfigError(_nothing(table, reasons))
    return Evaluation(tuple(quantities), pa.table(columns), dict(reasons.most_common()))


def _composition(molecule: Structure | str) -> Counter[int]:
    """Numbers of atoms by element, hydrogens included."""
    if isinstance(molecule, str):
        return Counter(atomic_numbers_of(molecule_with_hydrogens(molecule)).tolist())
    return Counter(molecule.atomic_numbers.tolist())


def _comparable(
    column: Column, labels: FloatArray, counts: list[Counter[int]], options: TableOptions
) -> tuple[FloatArray, str]:
    """Labels that contain the zero-point energy where the column does, and a note."""
    if options.zpe == "included" or not has_zero_point(column):
        return labels, ""
    elements = sorted({number for each in counts for number in each})
    by_element = {number: np.array([each[number] for each in counts]) for number in elements}
    note = (
        "the labels are without zero-point energy; it was estimated from composition, which is "
        "good to 1.1 kcal/mol (root mean square, QM9)"
    )
    return (labels - zero_point_estimate(by_element) if by_element else labels), note


def _assess(
    column: Column,
    labels: FloatArray,
    predictions: pa.Table,
    sizes: NDArray[np.int64],
    n_rows: int,
    note: str,
) -> Assessment:
    name = column.name
    has_label = np.isfinite(labels)
    values = {
        ending: _column(predictions, name + ending, len(labels))
        for ending in ("", "_lo90", "_hi90")
    }
    compared = has_label & np.isfinite(values[""])
    chosen = {ending: each[compared] for ending, each in values.items()}
    label, size = labels[compared], sizes[compared]
    return Assessment(
        quantity=name,
        unit=column.unit,
        n_quarantined=n_rows - int(has_label.sum()),
        in_domain=float(compared.sum() / has_label.sum()) if has_label.any() else None,
        errors=_errors(label, chosen),
        by_n_heavy={
            int(each): _errors(
                label[size == each], {e: some[size == each] for e, some in chosen.items()}
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
