"""What must hold of a trained model, of whatever type."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.inference.open_shells import closed_shells_alone
from screener.models.bundle import Bundle, load_bundle
from screener.ranking.columns import numbers
from screener.records import Structure
from screener.registry.columns import columns
from screener.stores.refused import refused_columns, without_refusals
from screener.testing.claims import claim
from screener.testing.poses import canonical_smiles, in_another_pose

MOLECULES = ("CCO", "COCCOC", "CC#N", "O=C1OCCO1", "C1CCOC1", "CC(C)=O")
IONS = ("C[NH3+]", "CC(=O)[O-]", "C[CH2]")
OUTSIDE = "C[Se]C"
ENDS = ("_std", "_lo90", "_hi90")
STD_SHARE, VALUE_SHARE = 1e-2, 1e-5  # of its std and of itself, that a value may differ by

FloatArray = NDArray[np.float64]
Given = Structure | str


class _Model:
    """A bundle, molecules for it, and the low values that it is given, if any."""

    def __init__(
        self, bundle: Bundle, given: Sequence[Given], low: Mapping[str, FloatArray] | None
    ) -> None:
        self.bundle, self.given, self.low = bundle, list(given), low
        self.name = f"bundle {bundle.card.name}"

    def predict(self, rows: Sequence[int], given: Sequence[Given] | None = None) -> pa.Table:
        """Predictions of some of the molecules.

        Args:
            rows: places of the molecules.
            given: others in their places.
        Returns:
            as many rows.
        """
        molecules: Any = [self.given[row] for row in rows] if given is None else list(given)
        if self.low is None:
            table = self.bundle.predict(molecules)
        else:
            low = {name: each[list(rows)] for name, each in self.low.items()}
            table = self.bundle.predict(molecules, low)
        claim(
            table.num_rows == len(rows),
            f"{self.name}: of {len(rows)} molecules it predicts {table.num_rows}",
        )
        return table


def check_model(
    bundle: Bundle | str | Path,
    smiles: Sequence[str] = MOLECULES,
    structures: Sequence[Structure] | None = None,
    low: Mapping[str, FloatArray] | None = None,
) -> None:
    """Check a model: columns, units and bounds, intervals, the same numbers again, alone and among
    others, in another order and pose, ions and radicals, and a molecule outside among others.

    Args:
        bundle: a loaded one, the name of a shipped one, or a folder.
        smiles: molecules, of which at least two lie inside the domain.
        structures: of these molecules, where the level of the bundle is given and not computed.
        low: low values of these molecules, (n,) by column, where the bundle is given them.
    Raises:
        AssertionError: says what is wrong.
    """
    opened = bundle if isinstance(bundle, Bundle) else load_bundle(bundle)
    settings = None if structures is not None else _settings(opened)
    given: Sequence[Given] = structures or _given(smiles, settings)
    model = _Model(opened, given, low)
    everyone = list(range(len(given)))
    table = model.predict(everyone)
    inside = _check_columns(model, table)
    claim(
        sum(inside) > 1,
        f"{model.name}: less than two of {', '.join(smiles)} lie inside its domain",
    )
    claim(
        table.equals(model.predict(everyone)),
        f"{model.name}: the second time it predicts other numbers",
    )
    alone = pa.concat_tables([model.predict([row]) for row in everyone])
    _claim_alike(model, table, alone, "alone and among others")
    backwards = model.predict(everyone[::-1]).take(pa.array(everyone[::-1]))
    _claim_alike(model, table, backwards, "in another order of molecules")
    posed = model.predict(everyone, [in_another_pose(each) for each in given])
    _claim_alike(model, table, posed, "turned, with its atoms in another order")
    if low is None:
        _check_others(model, table, settings)


def _settings(bundle: Bundle) -> StructureSettings | None:
    """How structures for a bundle are made; None where it reads drawings."""
    if getattr(bundle.card, "reads", "structures") == "drawings":
        return None
    card = bundle.card
    return StructureSettings.at(card.geometry_level, card.n_conformers, card.needed_values)


def _given(smiles: Sequence[str], settings: StructureSettings | None) -> list[Given]:
    canonical = [canonical_smiles(each) for each in smiles]
    if settings is None:
        return [*canonical]
    return [make_structure(each, mol_id(each), settings) for each in canonical]


def _can_be_given(smiles: Sequence[str], settings: StructureSettings | None) -> dict[str, Given]:
    """What can be made of molecules, by SMILES."""
    made: dict[str, Given] = {}
    for each in smiles:
        with suppress(MoleculeError):
            made |= zip([each], _given([each], settings), strict=True)
    return made


def _check_columns(model: _Model, table: pa.Table) -> list[bool]:
    """Whether each row is inside the domain."""
    predicted = list(model.bundle.card.quantities)
    claim(predicted, f"{model.name} predicts nothing")
    wanted = [f"{name}{end}" for name in predicted for end in ("", *ENDS)]
    wanted += ["in_domain", "domain_reasons", "geometry_level"]
    missing = [name for name in wanted if name not in table.column_names]
    claim(not missing, f"{model.name}: columns {', '.join(missing)} are missing")
    inside = [each is True for each in table["in_domain"].to_pylist()]
    reasons = table["domain_reasons"].to_pylist()
    untold = [
        i
        for i, (is_in, why) in enumerate(zip(inside, reasons, strict=True))
        # a molecule may be inside while predictions of some columns are no answers
        if is_in == bool(without_refusals(why, predicted) if is_in else why)
    ]
    claim(
        not untold, f"{model.name}: rows {untold} are inside with a reason, or outside without one"
    )
    for name in predicted:
        kind = table.schema.field(name).type
        claim(kind == pa.float64(), f"{model.name}: {name} is {kind}, not double")
        value, std, low, high = (numbers(table, f"{name}{end}") for end in ("", *ENDS))
        refused = [name in refused_columns(why) for why in reasons]
        within = np.array(inside) & ~np.array(refused, dtype=bool)
        claim(
            np.isfinite(np.array([value, std, low, high])[:, within]).all(),
            f"{model.name}: {name} or its interval is no number inside the domain",
        )
        claim(
            np.isnan(np.array([value, std, low, high])[:, ~within]).all(),
            f"{model.name}: {name} has a value outside the domain, or where it is no answer",
        )
        claim((std[within] > 0.0).all(), f"{model.name}: {name}_std is not positive")
        claim(
            ((low <= value) & (value <= high))[within].all(),
            f"{model.name}: a value of {name} lies outside its own interval",
        )
        claim((low < high)[within].all(), f"{model.name}: an interval of {name} is empty")
        _check_bounds(model, name, np.concatenate([value[within], low[within], high[within]]))
        _check_unit(model, name, value[within])
    return inside


def _check_bounds(model: _Model, name: str, values: FloatArray) -> None:
    column = columns().get(name)
    if column is None:
        return
    lower, upper = column.quantity.lower, column.quantity.upper
    claim(
        (lower is None or (values >= lower).all()) and (upper is None or (values <= upper).all()),
        f"{model.name}: {name} or its interval lies outside of what nature allows, {lower} to "
        f"{upper}",
    )


def _check_unit(model: _Model, name: str, values: FloatArray) -> None:
    column = columns().get(name)
    if column is None or not len(values):
        return
    if column.typical is None or column.quantity.extensive:
        return
    low, high = column.typical
    margin = 3.0 * (high - low)
    claim(
        ((values >= low - margin) & (values <= high + margin)).all(),
        f"{model.name}: {name} is {values.min():g} to {values.max():g}, and most molecules lie "
        f"between {low:g} and {high:g} {column.unit}: is it in another unit?",
    )


def _claim_alike(model: _Model, table: pa.Table, other: pa.Table, when: str) -> None:
    claim(
        table["in_domain"].to_pylist() == other["in_domain"].to_pylist(),
        f"{model.name}: a molecule is inside or not, {when}",
    )
    for name in model.bundle.card.quantities:
        std = np.nan_to_num(numbers(table, f"{name}_std"))
        for end in ("", *ENDS):
            one, two = (np.nan_to_num(numbers(each, f"{name}{end}")) for each in (table, other))
            allowed = STD_SHARE * std + VALUE_SHARE * np.abs(one)
            worst = int(np.argmax(np.abs(one - two) - allowed))
            claim(
                abs(one[worst] - two[worst]) <= allowed[worst],
                f"{model.name}: {name}{end} of molecule {worst} is {one[worst]:.8g} and "
                f"{two[worst]:.8g}, {when}",
            )


def _check_others(model: _Model, table: pa.Table, settings: StructureSettings | None) -> None:
    """Ions, radicals and an element that no model knows, among molecules inside; what the level of
    the structures refuses never comes to the model."""
    if strange := _can_be_given([OUTSIDE], settings):
        outside = model.predict([0, 0, 0], [model.given[0], strange[OUTSIDE], model.given[-1]])
        last = table.num_rows - 1
        claim(
            not outside["in_domain"][1].as_py() or "Se" in model.bundle.card.elements,
            f"{model.name}: {OUTSIDE} is inside, and selenium is none of its elements",
        )
        _claim_alike(
            model,
            table.take(pa.array([0, last])),
            outside.take(pa.array([0, 2])),
            f"alone and beside {OUTSIDE}, which is outside",
        )
    given = _can_be_given([canonical_smiles(each) for each in IONS], settings)
    smiles = list(given)
    ions = model.predict([0] * len(smiles), list(given.values()))
    charges = [Chem.GetFormalCharge(Chem.MolFromSmiles(each)) for each in smiles]
    judged = ions if settings is None else closed_shells_alone(ions, smiles, charges)
    for text, is_inside in zip(smiles, judged["in_domain"].to_pylist(), strict=True):
        claim(not is_inside, f"{model.name}: {text}, an ion or a radical, is inside its domain")
