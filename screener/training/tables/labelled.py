"""Labelled molecules of an outside file: its rows, checked, identified, as a model reads them.

What a model needs decides what is made: structures at its level, or nothing where it reads
drawings. Rows that cannot go on are set aside with the reason, and every row is accounted for.
Labels that contradict what is said of them stop everything, before the expensive part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.conformers import atomic_numbers_of, molecule_with_hydrogens
from screener.chemistry.radicals import unpaired_electrons
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError, MoleculeError
from screener.models.card import DRAWING
from screener.models.low_values import values_from
from screener.models.uncertainty.domain import electron_reasons
from screener.records import Molecule, QuarantineRecord, Structure
from screener.registry.columns import chain
from screener.registry.elements import symbol_of
from screener.structures.identities import identities
from screener.structures.recipe import Item, Recipe
from screener.structures.site import Site, structures
from screener.training.tables.options import TableOptions
from screener.training.tables.rows import Rows, read_rows
from screener.training.tables.sanity import Claim, problems

FloatArray = NDArray[np.float64]
Numbers = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a model wants of molecules.

    Args:
        level: geometry level; `drawing` where nothing but the SMILES is read.
        n_conformers: tried, from SMILES.
        values: columns that structures must have, such as `energy_gfn2_ha`.
        low: column of low values that must be given in the file; None without such.
        elements: atomic numbers that the model can be given; None for all.
        identities: whether molecules have to be known even where geometries are given.
    """

    level: str
    n_conformers: int
    values: tuple[str, ...] = ()
    low: str | None = None
    elements: tuple[int, ...] | None = None
    identities: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTable:
    """The chosen rows of a file, n of them; of those set aside `inputs` holds the reason."""

    source: str
    rows: NDArray[np.int64]  # (n,), 0-based place in the file
    molecules: tuple[Molecule | None, ...]  # None where set aside or not needed
    inputs: tuple[Structure | str | MoleculeError, ...]  # what the model reads: SMILES as text
    labels: dict[str, FloatArray]  # (n,) by column, stored unit and sign; NaN where missing
    low: FloatArray | None  # (n,), of the column that the model is given
    n_left_out: int  # rows of the file that were not asked for

    @property
    def made(self) -> NDArray[np.bool_]:
        """(n,), whether there is something that the model can read."""
        return np.array([not isinstance(each, MoleculeError) for each in self.inputs], dtype=bool)

    def quarantine(self) -> list[QuarantineRecord]:
        """A record for every row set aside, and one for every label that is missing."""
        records = []
        for place, row in enumerate(self.rows.tolist()):
            outcome, molecule = self.inputs[place], self.molecules[place]
            errors = [outcome] if isinstance(outcome, MoleculeError) else []
            errors += [
                MoleculeError("no_label", f"there is no number for {name}")
                for name, values in self.labels.items()
                if np.isnan(values[place])
            ]
            mol_id = "" if molecule is None else molecule.mol_id
            records += [
                QuarantineRecord(
                    "labels", error.code, error.message, source=self.source, row=row, mol_id=mol_id
                )
                for error in errors
            ]
        return records


def labelled_table(options: TableOptions, needs: Needs, site: Site) -> LabelledTable:
    """Read a file and make what the model needs.

    Args:
        options: columns and conventions.
        needs: of the model.
        site: where identities and structures are made.
    Returns:
        rows, molecules, structures and labels; what is set aside is among them.
    Raises:
        ConfigError: the file or its geometry level does not fit the model, or its labels are not
            what they are said to be; the message says which.
    """
    require_level(options, needs.level)
    rows = read_rows(options, needs.low)
    reads_drawings = needs.level == DRAWING
    outcomes: list[Molecule | Structure | MoleculeError] = list(rows.geometries)
    molecules: list[Molecule | None] = [None] * len(rows)
    if rows.smiles or needs.identities:
        for place, identity in enumerate(_identities(rows, site)):
            if isinstance(identity, Molecule):
                molecules[place] = identity
            elif rows.geometries and not isinstance(outcomes[place], MoleculeError):
                outcomes[place] = identity
            if not rows.geometries:
                outcomes.append(identity)
    numbers = [_atomic_numbers(each) for each in outcomes]
    _require_sane(options, rows, numbers)
    for place, atoms in enumerate(numbers):
        if atoms is None:
            continue
        known = set(atoms.tolist()) if needs.elements is None else set(needs.elements)
        if strange := sorted(set(atoms.tolist()) - known):
            outcomes[place] = _unknown_element(strange[0], sorted(known))
        elif rows.low is not None and np.isnan(rows.low[place]):
            outcomes[place] = MoleculeError("no_low", f"there is no number for {needs.low}")
    return LabelledTable(
        source=options.path,
        rows=rows.numbers,
        molecules=tuple(molecules),
        inputs=tuple(_drawings(outcomes) if reads_drawings else _structures(outcomes, needs, site)),
        labels=rows.labels,
        low=rows.low,
        n_left_out=rows.n_left_out,
    )


def require_level(options: TableOptions, geometry_level: str) -> None:
    """Raises ConfigError unless a model at a geometry level, or `drawing`, can use what the file
    has."""
    if geometry_level == DRAWING:
        if options.smiles is None or options.positions is not None:
            raise ConfigError(
                "the model reads drawings: name the column of the SMILES, and none of positions"
            )
        return
    if options.positions is None and any(not each.is_computed for each in chain(geometry_level)):
        raise ConfigError(
            f"the model is for structures at geometry level {geometry_level}, which are not made "
            "from SMILES here: name the columns of positions and atomic numbers, or use a model "
            "for SMILES"
        )
    if options.positions is not None and options.geometry != geometry_level:
        raise ConfigError(
            f"the model is for structures at geometry level {geometry_level}, not "
            f"{options.geometry}"
        )


def _identities(rows: Rows, site: Site) -> list[Molecule | MoleculeError]:
    """Of every row; by the SMILES where the file has them."""
    if rows.smiles:
        return identities([Item("", text or "") for text in rows.smiles], site)
    result: list[Molecule | MoleculeError] = [
        each if isinstance(each, MoleculeError) else MoleculeError("not_identified", "")
        for each in rows.geometries
    ]
    places = [i for i, each in enumerate(rows.geometries) if isinstance(each, Structure)]
    given = [each for each in rows.geometries if isinstance(each, Structure)]
    made = identities([Item("", None, each) for each in given], site)
    for place, each in zip(places, made, strict=True):
        result[place] = each
    return result


def _atomic_numbers(outcome: Molecule | Structure | MoleculeError) -> Numbers | None:
    if isinstance(outcome, MoleculeError):
        return None
    if isinstance(outcome, Structure):
        return outcome.atomic_numbers
    return atomic_numbers_of(molecule_with_hydrogens(outcome.smiles))


def _require_sane(options: TableOptions, rows: Rows, numbers: Sequence[Numbers | None]) -> None:
    known = np.array([atoms is not None for atoms in numbers], dtype=bool)
    if not known.any():
        return
    elements = sorted({int(number) for atoms in numbers if atoms is not None for number in atoms})
    counts = {
        element: np.array(
            [np.count_nonzero(atoms == element) for atoms in numbers if atoms is not None],
            dtype=np.int64,
        )
        for element in elements
    }
    claims = {
        name: Claim(options.column_of(name), options.unit_of(name), options.sign, options.zpe)
        for name in options.labels
    }
    labels = {name: values[known] for name, values in rows.labels.items()}
    if sentences := problems(labels, claims, counts):
        raise ConfigError("; ".join(sentences))
    for name, values in rows.labels.items():
        if not np.isfinite(values).any():
            raise ConfigError(f"column {options.labels[name]} has no number for {name}")


def _unknown_element(number: int, elements: Sequence[int]) -> MoleculeError:
    known = ", ".join(symbol_of(each) for each in elements)
    return MoleculeError("unknown_element", f"element {symbol_of(number)} is not among {known}")


def _drawings(
    outcomes: Sequence[Molecule | Structure | MoleculeError],
) -> list[Structure | str | MoleculeError]:
    """Canonical SMILES of the neutral closed shells."""
    result: list[Structure | str | MoleculeError] = []
    for outcome in outcomes:
        if not isinstance(outcome, Molecule):
            result.append(outcome)
            continue
        unpaired = unpaired_electrons(Chem.MolFromSmiles(outcome.smiles))
        reasons = electron_reasons(outcome.charge, unpaired)
        code = "charged" if outcome.charge else "open_shell"
        result.append(MoleculeError(code, "; ".join(reasons)) if reasons else outcome.smiles)
    return result


def _structures(
    outcomes: Sequence[Molecule | Structure | MoleculeError], needs: Needs, site: Site
) -> list[Structure | str | MoleculeError]:
    """What became of every row."""
    places, items = [], []
    is_given = False
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Molecule):
            items.append(Item(outcome.mol_id, outcome.smiles))
            places.append(place)
        elif isinstance(outcome, Structure):
            is_given = True
            items.append(Item("", None, outcome))
            places.append(place)
    values = values_from(needs.level, needs.values, is_given)
    made: Sequence[Structure | MoleculeError]
    if is_given and not values:
        made = [outcome for outcome in outcomes if isinstance(outcome, Structure)]
    elif is_given:
        made = structures(items, Recipe.at_geometry(values), site)
    else:
        settings = StructureSettings.at(needs.level, needs.n_conformers, values)
        made = structures(items, Recipe.from_drawing(settings), site)
    known = dict(zip(places, made, strict=True))
    return [
        outcome if isinstance(outcome, MoleculeError) else known[place]
        for place, outcome in enumerate(outcomes)
    ]
