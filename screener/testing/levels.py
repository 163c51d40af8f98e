"""What must hold of a level: the entry, and what it makes of molecules."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from threadpoolctl import threadpool_limits

from screener.chemistry.identity import mol_id
from screener.chemistry.levels import subject_of
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.registry.columns import chain, quantities
from screener.registry.levels import Level, LevelSettings, Subject
from screener.registry.quantities import Quantity
from screener.registry.units import HARTREE
from screener.testing.claims import claim, claim_name, same
from screener.testing.poses import canonical_smiles, in_another_pose, order_of_another_pose
from screener.units import KCAL_PER_HARTREE

MOLECULES = ("CO", "CC#N", "C=O", "CF", "N")
CATION, CLOSED_SHELL = "C[NH3+]", "C=C"
IMPOSSIBLE = "CC1([C@H]2CC[C@]1(C(=O)C2)C)C"  # camphor turned inside out
BOUND_KCAL = (20.0, 250.0)  # atomization energies of real molecules, per atom
TYPICAL_WIDTHS = 3.0  # so many widths of its typical range a value may lie outside of it
VALUE_TOLERANCE = 1e-3  # relative to 1 or to the value, whichever is larger, after a turn
MINIMUM_TOLERANCE = 2e-2  # the same where a minimum is sought, which ends at a threshold
DISTANCE_TOLERANCE = 0.1  # angstrom, at that minimum


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    subject: Subject
    start: Structure | None


def check_level(
    level: Level, settings: LevelSettings | None = None, smiles: Sequence[str] = MOLECULES
) -> None:
    """Check a level.

    Of every level: its entry. Where it computes: shapes, values in their units and bounds, the same
    bytes again, the same in another pose and order of atoms, other values for another charge and
    spin, that a molecule which fails leaves others alone, and of a level that takes several at once
    that each is among others what it is alone.

    Args:
        level: registered or not.
        settings: of the level; None for its defaults.
        smiles: molecules; those with elements that it does not know are passed over.
    Raises:
        AssertionError: says what is wrong.
    """
    _check_entry(level)
    if not level.is_computed:
        return
    settings = level.settings() if settings is None else settings
    _check_settings(level, settings)
    with threadpool_limits(1):  # as in a campaign: several add up numbers in an order of chance
        _check_molecules(level, settings, smiles)


def _check_molecules(level: Level, settings: LevelSettings, smiles: Sequence[str]) -> None:
    cases = [case for text in smiles if (case := _case(level, text)) is not None]
    claim(
        len(cases) > 1, f"level {level.name} knows the elements of less than two of the molecules"
    )
    for case in cases:
        made = _made(level, case, settings)
        _check_shapes(level, case, made)
        _check_values(level, made)
        _check_again(level, case, settings, made)
        if case.start is not None:
            _check_pose(level, case, settings, made)
    if level.compute_together is not None:
        _check_together(level, cases, settings)
    _check_electrons(level, settings)
    _check_failure(level, cases, settings)


def _check_together(level: Level, cases: list[_Case], settings: LevelSettings) -> None:
    alone = [_made(level, case, settings) for case in cases]
    backwards = [*reversed(cases), *cases]
    together = level.apply_together(
        [case.subject for case in backwards], [case.start for case in backwards], settings
    )
    claim(
        len(together) == len(backwards),
        f"level {level.name} is given {len(backwards)} molecules and tells of {len(together)}",
    )
    for case, expected, made in zip(backwards, [*reversed(alone), *alone], together, strict=True):
        claim(
            isinstance(made, Structure) and _are_same(expected, made),
            f"level {level.name}: {case.subject.smiles} is another among others than alone",
        )


def _are_same(one: Structure, other: Structure) -> bool:
    return (
        same(one.positions, other.positions)
        and dict(one.values) == dict(other.values)
        and all(same(one.atom_values[name], other.atom_values[name]) for name in one.atom_values)
    )


def _check_entry(level: Level) -> None:
    claim_name("the level", level.name)
    claim(level.label.strip(), f"level {level.name} has no label for a reader")
    claim(level.elements, f"level {level.name} knows no element")
    wrong = [each for each in level.elements if not 0 < each < 119]
    claim(not wrong, f"level {level.name}: {wrong} are no atomic numbers")
    claim(
        level.charges[0] <= 0 <= level.charges[1],
        f"level {level.name}: charges from {level.charges[0]} to {level.charges[1]} leave out 0",
    )
    claim(level.yields or level.makes_geometry, f"level {level.name} makes nothing")
    known = _columns(level)
    for column in level.yields:
        claim(
            column in known,
            f"level {level.name} yields {column}, which is no column of a quantity at theory "
            f"{level.theory!r}; columns are {', '.join(known)}",
        )
    twice = {each for each in level.yields if level.yields.count(each) > 1}
    claim(not twice, f"level {level.name} yields {', '.join(twice)} twice")
    if level.start is not None:
        try:
            chain(level.start)
        except ConfigError as error:
            raise AssertionError(
                f"level {level.name} starts from {level.start}: {error}"
            ) from error
    if level.free_atoms_ha:
        claim(
            set(level.free_atoms_ha) <= level.elements,
            f"level {level.name} has free atoms of elements that it does not know",
        )
        claim(
            all(energy < 0.0 for energy in level.free_atoms_ha.values()),
            f"level {level.name}: a free atom has a positive energy",
        )


def _check_settings(level: Level, settings: LevelSettings) -> None:
    claim(
        isinstance(settings, level.settings),
        f"settings of level {level.name} are {type(settings).__name__}, and no "
        f"{level.settings.__name__}",
    )
    written = settings.model_dump(mode="json")
    claim(
        level.settings.model_validate(written) == settings,
        f"settings of level {level.name} are others when they are written and read",
    )


def _columns(level: Level) -> dict[str, Quantity]:
    return {each.column(level.theory): each for each in quantities().values()}


def _case(level: Level, text: str) -> _Case | None:
    """A molecule where the level starts; None where it does not know the elements."""
    smiles = canonical_smiles(text)
    subject = subject_of(smiles, mol_id(smiles))
    numbers = {atom.GetAtomicNum() for atom in subject.molecule.GetAtoms()}
    if not numbers <= level.elements:
        return None
    if level.start is None and level.makes_geometry:
        return _Case(subject, None)
    settings = StructureSettings() if level.start is None else StructureSettings(level=level.start)
    return _Case(subject, make_structure(smiles, subject.mol_id, settings))


def _made(level: Level, case: _Case, settings: LevelSettings) -> Structure:
    try:
        made = level.apply(case.subject, case.start, settings)
    except MoleculeError as error:
        raise AssertionError(
            f"level {level.name} fails on {case.subject.smiles}: {error}"
        ) from error
    claim(
        isinstance(made, Structure),
        f"level {level.name} makes a {type(made).__name__}, and no Structure",
    )
    return made


def _check_shapes(level: Level, case: _Case, made: Structure) -> None:
    where = f"level {level.name}, {case.subject.smiles}"
    numbers = [atom.GetAtomicNum() for atom in case.subject.molecule.GetAtoms()]
    claim(
        made.atomic_numbers.tolist() == numbers,
        f"{where}: its atoms are others, or in another order",
    )
    for name, array, kind in (
        ("atomic numbers", made.atomic_numbers, np.uint8),
        ("positions", made.positions, np.float32),
    ):
        claim(array.dtype == kind, f"{where}: {name} are {array.dtype}, not {kind.__name__}")
    claim(np.isfinite(made.positions).all(), f"{where}: a position is not finite")
    claim(
        (made.charge, made.n_unpaired) == (case.subject.charge, case.subject.n_unpaired),
        f"{where}: charge and unpaired electrons of the structure are those of another molecule",
    )
    missing = set(level.yields) - set(made.values) | set(level.atom_yields) - set(made.atom_values)
    claim(not missing, f"{where}: {', '.join(sorted(missing))} is promised and not there")
    for column in level.atom_yields:
        values = made.atom_values[column]
        claim(
            values.shape == (made.n_atoms,) and values.dtype == np.float32,
            f"{where}: {column} is {values.dtype} of shape {values.shape}, not float32 of "
            f"({made.n_atoms},)",
        )
    if case.start is not None and not level.makes_geometry:
        claim(
            same(made.positions, case.start.positions),
            f"{where}: it makes no geometry, and the positions are others",
        )
        lost = set(case.start.values) - set(made.values)
        claim(not lost, f"{where}: {', '.join(sorted(lost))} of the levels before is lost")


def _check_values(level: Level, made: Structure) -> None:
    for column, quantity in _columns(level).items():
        if column not in level.yields:
            continue
        value = made.values[column]
        where = f"level {level.name}: {column} is {value:g} {quantity.unit.written}"
        claim(np.isfinite(value), f"{where}, of a small molecule")
        above = quantity.lower is None or value >= quantity.lower
        below = quantity.upper is None or value <= quantity.upper
        claim(above and below, f"{where}, outside {quantity.lower} to {quantity.upper}")
        typical = quantity.typical.get(level.theory)
        if typical is not None and not quantity.extensive:
            low, high = typical
            margin = TYPICAL_WIDTHS * (high - low)
            claim(
                low - margin <= value <= high + margin,
                f"{where}, and most molecules lie between {low:g} and {high:g}: is it in another "
                "unit?",
            )
        if quantity.unit == HARTREE and quantity.extensive and level.free_atoms_ha:
            atoms = sum(level.free_atoms_ha[int(each)] for each in made.atomic_numbers)
            bound = (atoms - value) * KCAL_PER_HARTREE / made.n_atoms
            claim(
                BOUND_KCAL[0] < bound < BOUND_KCAL[1],
                f"{where}, which is {bound:.0f} kcal/mol per atom below its free atoms: is it in "
                "another unit, or are the free atoms of another level?",
            )


def _check_again(level: Level, case: _Case, settings: LevelSettings, made: Structure) -> None:
    where = f"level {level.name}, {case.subject.smiles}"
    before = None if case.start is None else case.start.positions.copy()
    again = _made(level, case, settings)
    claim(
        before is None or (case.start is not None and same(before, case.start.positions)),
        f"{where}: it changes the structure that it is given",
    )
    claim(_alike(again, made), f"{where}: the second time it gives other numbers")


def _alike(one: Structure, other: Structure) -> bool:
    """Whether two structures are the same to the last bit."""
    return (
        same(one.positions, other.positions)
        and one.values.keys() == other.values.keys()
        and np.array_equal(list(one.values.values()), list(other.values.values()), equal_nan=True)
        and all(same(one.atom_values[name], other.atom_values[name]) for name in other.atom_values)
    )


def _check_pose(level: Level, case: _Case, settings: LevelSettings, made: Structure) -> None:
    """In another place, turned, and with the atoms in another order."""
    assert case.start is not None
    where = f"level {level.name}, {case.subject.smiles}"
    moved = in_another_pose(case.start)
    assert isinstance(moved, Structure)
    order = order_of_another_pose(made.n_atoms)
    renumbered = Chem.RenumberAtoms(case.subject.molecule, order.tolist())
    other = _made(level, _Case(replace(case.subject, molecule=renumbered), moved), settings)
    tolerance = MINIMUM_TOLERANCE if level.makes_geometry else VALUE_TOLERANCE
    for column in level.yields:
        one, two = made.values[column], other.values[column]
        claim(
            abs(one - two) <= tolerance * max(1.0, abs(one)),
            f"{where}: {column} is {one:.6g}, and {two:.6g} when the molecule is turned and its "
            "atoms come in another order",
        )
    for column in level.atom_yields:
        difference = np.abs(made.atom_values[column][order] - other.atom_values[column]).max()
        claim(
            difference <= tolerance,
            f"{where}: {column} does not follow the atoms into another order",
        )
    distances, others = _distances(made.positions[order]), _distances(other.positions)
    claim(
        np.abs(distances - others).max() <= DISTANCE_TOLERANCE,
        f"{where}: from a turned start it reaches another geometry",
    )


def _distances(positions: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = positions.astype(np.float64)
    distances: NDArray[np.float64] = np.linalg.norm(exact[:, None] - exact[None, :], axis=-1)
    return distances


def _check_electrons(level: Level, settings: LevelSettings) -> None:
    """Charge and unpaired electrons change what is computed, where the level takes them."""
    if not level.yields or (level.start is None and level.makes_geometry):
        return
    least, most = level.charges
    if least <= -1 and most >= 1:
        case = _case(level, CATION)
        if case is not None:  # an anion has as many unpaired electrons
            _claim_other(level, case, settings, (-1, 0), "charge")
    if level.open_shells:
        case = _case(level, CLOSED_SHELL)
        if case is not None:
            _claim_other(level, case, settings, (0, 2), "number of unpaired electrons")


def _claim_other(
    level: Level, case: _Case, settings: LevelSettings, electrons: tuple[int, int], what: str
) -> None:
    assert case.start is not None
    charge, n_unpaired = electrons
    other = _Case(
        replace(case.subject, charge=charge, n_unpaired=n_unpaired),
        replace(case.start, charge=charge, n_unpaired=n_unpaired),
    )
    made = _made(level, case, settings)
    try:
        again = level.apply(other.subject, other.start, settings)
    except MoleculeError:
        return  # it could not be done, which is another outcome
    differences = [abs(made.values[name] - again.values[name]) for name in level.yields]
    claim(
        not all(each <= 1e-6 for each in differences),
        f"level {level.name} takes no notice of the {what} of {case.subject.smiles}",
    )


def _check_failure(level: Level, cases: list[_Case], settings: LevelSettings) -> None:
    """A molecule that cannot be done between two that can."""
    first, last = cases[0], cases[-1]
    expected = [_made(level, each, settings) for each in (first, last)]
    if first.start is None:
        smiles = canonical_smiles(IMPOSSIBLE)
        bad = _Case(subject_of(smiles, mol_id(smiles)), None)
    else:
        crushed = np.zeros_like(first.start.positions)
        bad = _Case(first.subject, replace(first.start, positions=crushed))
    later = [_made(level, first, settings)]
    try:
        made = level.apply(bad.subject, bad.start, settings)
    except MoleculeError:
        pass
    except Exception as error:
        raise AssertionError(
            f"level {level.name} raises {type(error).__name__} where a molecule cannot be done, "
            f"which ends the whole batch; raise MoleculeError: {error}"
        ) from error
    else:
        values = [made.values[name] for name in level.yields]
        # a level that reads the drawing alone, such as a table of groups, has nothing to fail at
        reads_drawing = bad.start is not None and all(
            made.values[name] == expected[0].values[name] for name in level.yields
        )
        claim(
            values and (reads_drawing or not np.isfinite(values).all()),
            f"level {level.name} gives finite values for a molecule that cannot be: all atoms of "
            f"{bad.subject.smiles} at one place"
            if bad.start is not None
            else f"level {level.name} makes a structure of {bad.subject.smiles}, which cannot be",
        )
    later.append(_made(level, last, settings))
    for before, after, case in zip(expected, later, (first, last), strict=True):
        claim(
            _alike(before, after),
            f"level {level.name}: {case.subject.smiles} is another one after one that failed",
        )
