"""The prediction table of molecules that have structures."""

from collections.abc import Sequence

import pyarrow as pa

from screener.errors import MoleculeError
from screener.inference.open_shells import closed_shells_alone
from screener.models.bundle import Bundle
from screener.ranking.columns import with_computed
from screener.records import Structure
from screener.stores.library import LibraryStore
from screener.stores.predictions import KEY_COLUMNS, SIZE_COLUMNS


def predictions(
    molecules: pa.Table,
    outcomes: list[Structure | MoleculeError],
    bundle: Bundle,
    own_columns: dict[str, str],
    value_columns: tuple[str, ...],
    drawing_bundles: Sequence[Bundle] = (),
) -> pa.Table:
    """The prediction table of molecules that have structures.

    Args:
        molecules: (n,) rows of the library.
        outcomes: (n,), in the same order.
        bundle: predicts from structures of its own geometry level.
        own_columns: the caller's columns, by name in the library, and their names here.
        value_columns: computed by levels at the structures, and taken over from them.
        drawing_bundles: further bundles, which predict from the drawings; where a molecule is
            outside of the domain of one, its columns are null and `domain_reasons_<bundle>` says
            why, whatever the other columns of the row say.
    Returns:
        one row per structure: keys, sizes, predicted and computed columns, domain, own columns.
    """
    has_structure = [isinstance(outcome, Structure) for outcome in outcomes]
    kept = molecules.filter(pa.array(has_structure, pa.bool_()))
    table = kept.select([*KEY_COLUMNS, *SIZE_COLUMNS])
    structures = [each for each in outcomes if isinstance(each, Structure)]
    predicted = closed_shells_alone(
        _predicted(bundle, structures),
        kept["smiles"].to_pylist(),
        kept["charge"].to_pylist(),
    )
    for name in predicted.column_names:
        table = table.append_column(name, predicted[name])
    for each in drawing_bundles:
        drawn = _predicted(each, kept["smiles"].to_pylist())
        drawn = drawn.drop_columns(["in_domain", "geometry_level"])
        reasons = drawn.column_names.index("domain_reasons")
        names = [*drawn.column_names]
        names[reasons] = f"domain_reasons_{each.card.name}"
        for name, column in zip(names, drawn.columns, strict=True):
            table = table.append_column(name, column)
    for column in value_columns:
        computed = [structure.values[column] for structure in structures]
        values = pa.array(computed, pa.float64(), from_pandas=True)
        if column in table.column_names:  # the bundle reads the same values, and shows them
            table = table.set_column(table.column_names.index(column), column, values)
        else:
            table = table.append_column(column, values)
    table = with_computed(table)
    for name, stored in own_columns.items():
        table = table.append_column(stored, kept[name])
    return table


def _predicted(bundle: Bundle, molecules: list[Structure] | list[str]) -> pa.Table:
    """As of `Bundle.predict`; no model is made for no molecule."""
    return bundle.predict(molecules) if molecules else bundle.columns.empty_table()


def no_predictions(
    library: LibraryStore,
    bundle: Bundle,
    own_columns: dict[str, str],
    value_columns: tuple[str, ...],
    drawing_bundles: Sequence[Bundle] = (),
) -> pa.Table:
    """The columns of a stage's predictions, without a row.

    Args:
        library: that the stage screens.
        bundle: that predicts.
        own_columns: the caller's columns, by name in the library, and their names in the table.
        value_columns: computed by levels at the structures.
        drawing_bundles: further bundles, which predict from the drawings.
    Returns:
        a table without rows.
    """
    columns = [*KEY_COLUMNS, *SIZE_COLUMNS, *own_columns]
    none = library.read_range(0, 0, columns)
    return predictions(none, [], bundle, own_columns, value_columns, drawing_bundles)
