"""Labelled structures of an outside file: its rows, checked, identified, with structures.

What a model needs decides what is made. Rows that cannot go on are set aside with the reason, and
every row is accounted for. Labels that contradict what is said of them stop everything, before the
expensive part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.chemistry.conformers import atomic_numbers_of, molecule_with_hydrogens
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError, MoleculeError
from screener.models.card import GeometryLevel
from screener.records import Molecule, QuarantineRecord, Structure
from screener.structures.batches import How, entry
from screener.structures.making import Site, identities, structures
from screener.training.tables.options import TableOptions
from screener.training.tables.rows import Rows, read_rows
from screener.training.tables.sanity import Claim, problems
from screener.units import SYMBOLS

FloatArray = NDArray[np.float64]
Numbers = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a model wants of structures.

    Args:
        level: geometry level.
        n_conformers: tried, from SMILES.
        gfn2: whether GFN2 values are needed.
        elements: atomic numbers that the model can be given.
        identities: whether molecules have to be known even where geometries are given.
    """

    level: GeometryLevel
    n_conformers: int
    gfn2: bool
    elements: tuple[int, ...]
    identities: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTable:
    """The chosen rows of a file, n of them; of those set aside `structures` holds the reason."""

    source: str
    rows: NDArray[np.int64]  # (n,), 0-based place in the file
    molecules: tuple[Molecule | None, ...]  # None where set aside or not needed
    structures: tuple[Structure | MoleculeError, ...]
    labels: dict[str, FloatArray]  # (n,) by quantity, stored unit and sign; NaN where missing
    low: FloatArray | None  # (n,), kcal/mol, positive when bound
    n_left_out: int  # rows of the file that were not asked for

    @property
    def made(self) -> NDArray[np.bool_]:
        """(n,), whether there is a structure."""
        return np.array([isinstance(each, Structure) for each in self.structures], dtype=bool)

    def quarantine(self) -> list[QuarantineRecord]:
        """A record for every row set aside, and one for every label that is missing."""
        records = []
        for place, row in enumerate(self.rows.tolist()):
            outcome, molecule = self.structures[place], self.molecules[place]
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
    Raises:
        ConfigError: the file or its geometry level does not fit the model, or its labels are not
            what they are said to be; the message says which.
    """
    require_level(options, needs.level)
    rows = read_rows(options)
    outcomes: list[Molecule | Structure | MoleculeError] = list(rows.geometries)
    molecules: list[Molecule | None] = [None] * len(rows)
    if rows.smiles or needs.identities:
        for place, found in enumerate(_identities(rows, site)):
            if isinstance(found, Molecule):
                molecules[place] = found
            elif rows.geometries and not isinstance(outcomes[place], MoleculeError):
                outcomes[place] = found
            if not rows.geometries:
                outcomes.append(found)
    numbers = [_atomic_numbers(found) for found in outcomes]
    _require_sane(options, rows, numbers)
    for place, atoms in enumerate(numbers):
        if atoms is not None and (strange := sorted(set(atoms.tolist()) - set(needs.elements))):
            outcomes[place] = _unknown_element(strange[0], needs.elements)
        elif atoms is not None and rows.low is not None and np.isnan(rows.low[place]):
            outcomes[place] = MoleculeError("no_low", "there is no number for the low level")
    return LabelledTable(
        source=options.path,
        rows=rows.numbers,
        molecules=tuple(molecules),
        structures=tuple(_structures(outcomes, needs, site)),
        labels=rows.labels,
        low=rows.low,
        n_left_out=rows.n_left_out,
    )


def require_level(options: TableOptions, level: GeometryLevel) -> None:
    """Raises ConfigError unless a model at `level` can use what the file has."""
    if options.positions is None and level == "b3lyp":
        raise ConfigError(
            "the model is for structures at geometry level b3lyp, which are not made from SMILES "
            "here: name the columns of positions and atomic numbers, or use a model for SMILES"
        )
    if options.positions is not None and options.geometry != level:
        raise ConfigError(
            f"the model is for structures at geometry level {level}, not {options.geometry}"
        )


def _identities(rows: Rows, site: Site) -> list[Molecule | MoleculeError]:
    """Of every row; by the SMILES where the file has them."""
    if rows.smiles:
        return identities([entry(text or "", "", None) for text in rows.smiles], site)
    found: list[Molecule | MoleculeError] = [
        each if isinstance(each, MoleculeError) else MoleculeError("not_identified", "")
        for each in rows.geometries
    ]
    places = [i for i, each in enumerate(rows.geometries) if isinstance(each, Structure)]
    given = [each for each in rows.geometries if isinstance(each, Structure)]
    made = identities([entry(None, "", each) for each in given], site)
    for place, each in zip(places, made, strict=True):
        found[place] = each
    return found


def _atomic_numbers(found: Molecule | Structure | MoleculeError) -> Numbers | None:
    if isinstance(found, MoleculeError):
        return None
    if isinstance(found, Structure):
        return found.atomic_numbers
    return atomic_numbers_of(molecule_with_hydrogens(found.smiles))


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
        name: Claim(options.unit_of(name), options.sign, options.zpe) for name in options.labels
    }
    labels = {name: values[known] for name, values in rows.labels.items()}
    if found := problems(labels, claims, counts):
        raise ConfigError("; ".join(found))
    for name, values in rows.labels.items():
        if not np.isfinite(values).any():
            raise ConfigError(f"column {options.labels[name]} has no number for {name}")


def _unknown_element(number: int, elements: Sequence[int]) -> MoleculeError:
    symbol = SYMBOLS.get(number, f"number {number}")
    known = ", ".join(SYMBOLS[each] for each in elements)
    return MoleculeError("unknown_element", f"element {symbol} is not among {known}")


def _structures(
    outcomes: Sequence[Molecule | Structure | MoleculeError], needs: Needs, site: Site
) -> list[Structure | MoleculeError]:
    """What became of every row."""
    places, entries = [], []
    given = False
    for place, found in enumerate(outcomes):
        if isinstance(found, Molecule):
            entries.append(entry(found.smiles, found.mol_id, None))
            places.append(place)
        elif isinstance(found, Structure):
            given = True
            entries.append(entry(None, "", found))
            places.append(place)
    made: Sequence[Structure | MoleculeError]
    if given and not needs.gfn2:
        made = [outcome for outcome in outcomes if isinstance(outcome, Structure)]
    else:
        level = "mmff94" if needs.level == "mmff94" else "gfn2-opt"
        geometry = StructureSettings.at(level, needs.n_conformers)
        made = structures(entries, How(geometry=None if given else geometry, gfn2=needs.gfn2), site)
    known = dict(zip(places, made, strict=True))
    result: list[Structure | MoleculeError] = []
    for place, found in enumerate(outcomes):
        result.append(found if isinstance(found, MoleculeError) else known[place])
    return result
