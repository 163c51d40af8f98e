"""Each check of levels finds what it is for, in a level that is right but for one thing."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from screener.errors import MoleculeError
from screener.records import Structure
from screener.registry.levels import Level, LevelSettings
from screener.testing import check_level

SMILES = ("CO", "N")


def toy(subject, start, settings):
    """A potential between pairs of atoms, in a field of the total charge and the free spins."""
    numbers = start.atomic_numbers.astype(float)
    distances = np.linalg.norm(start.positions[:, None] - start.positions[None, :], axis=-1)
    np.fill_diagonal(distances, np.inf)
    if (distances < 0.1).any():
        raise MoleculeError("atoms_too_close", "two atoms are at one place")
    field = numbers @ (1.0 / distances)
    electrons = 0.1 * start.charge + 0.01 * start.n_unpaired
    return start.with_values(
        {"energy_toy_ha": -0.05 * float(field.sum()) - electrons, "dipole_toy_debye": 1.0},
        {"charges_toy": (numbers / numbers.sum()).astype(np.float32)},
    )


def free_atoms(elements):
    return dict.fromkeys(elements, -10.0)


TOY = Level(
    name="toy",
    label="toy",
    theory="toy",
    elements=frozenset({1, 6, 7, 8}),
    charges=(-1, 1),
    open_shells=True,
    yields=("energy_toy_ha", "dipole_toy_debye"),
    atom_yields=("charges_toy",),
    compute=toy,
)


def test_the_toy_is_right():
    check_level(TOY, smiles=SMILES)


def from_the_drawing(subject, start, settings):
    return start.with_values({"dipole_toy_debye": 0.1 * subject.molecule.GetNumHeavyAtoms()})


def test_a_level_may_take_several_at_once():
    check_level(replace(TOY, **together(0.0)), smiles=SMILES)


def test_a_level_may_read_the_drawing_alone():
    level = replace(
        TOY,
        charges=(0, 0),
        open_shells=False,
        yields=("dipole_toy_debye",),
        atom_yields=(),
        compute=from_the_drawing,
    )
    check_level(level, smiles=SMILES)


def values(**changes):
    """A toy some of whose values are others."""

    def compute(subject, start, settings):
        made = toy(subject, start, settings)
        return made.with_values({name: each(made) for name, each in changes.items()})

    return compute


def with_fields(**changes):
    """A toy that makes another structure."""

    def compute(subject, start, settings):
        made = toy(subject, start, settings)
        return replace(made, **{name: each(made) for name, each in changes.items()})

    return compute


count = itertools.count()
memory = []


def shifts_its_argument(subject, start, settings):
    start.positions[0, 0] += 0.01
    return toy(subject, start, settings)


def remembers_failures(subject, start, settings):
    made_before = len(memory)
    try:
        made = toy(subject, start, settings)
    except MoleculeError:
        memory.append(1)
        raise
    return made.with_values({"energy_toy_ha": made.values["energy_toy_ha"] - made_before})


def fails_hard(subject, start, settings):
    try:
        return toy(subject, start, settings)
    except MoleculeError as error:
        raise ZeroDivisionError(str(error)) from error


def never_fails(subject, start, settings):
    try:
        return toy(subject, start, settings)
    except MoleculeError:
        return start.with_values(
            {"energy_toy_ha": 0.0, "dipole_toy_debye": 0.0},
            {"charges_toy": np.zeros(start.n_atoms, np.float32)},
        )


def charges_by_place(made):
    return {"charges_toy": np.arange(made.n_atoms, dtype=np.float32)}


def together(change):
    """The toy for several molecules at once, with a number of its own for each place."""

    def compute(subjects, starts, settings):
        made = []
        for place, (subject, start) in enumerate(zip(subjects, starts, strict=True)):
            try:
                one = toy(subject, start, settings)
                energy = one.values["energy_toy_ha"] - change * place
                made.append(one.with_values({"energy_toy_ha": energy}))
            except MoleculeError as error:
                made.append(error)
        return made

    return {"compute": None, "compute_together": compute}


class Forgetful(LevelSettings):
    """Settings that are others when they are read again."""

    def model_dump(self, **_):
        return {"procedure": 1, "n": 3}

    n: int = 2


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"name": "Toy level"}, "name of the level is 'Toy level'"),
        ({"label": " "}, "no label"),
        ({"elements": frozenset()}, "knows no element"),
        ({"elements": frozenset({0, 6})}, r"\[0\] are no atomic numbers"),
        ({"charges": (1, 2)}, "leave out 0"),
        ({"yields": ()}, "makes nothing"),
        ({"yields": ("energy_toy_kcal",)}, "energy_toy_kcal, which is no column of a quantity"),
        ({"yields": ("homo_gfn2_ev",)}, "no column of a quantity at theory 'toy'"),
        ({"yields": ("energy_toy_ha",) * 2}, "energy_toy_ha twice"),
        ({"start": "mmff95"}, "starts from mmff95: .*did you mean mmff94"),
        ({"free_atoms_ha": {9: -1.0}}, "free atoms of elements that it does not know"),
        ({"free_atoms_ha": {1: 0.5}}, "positive energy"),
        ({"settings": Forgetful}, "others when they are written and read"),
        ({"elements": frozenset({1, 7})}, "less than two of the molecules"),
        ({"compute": lambda *_: None}, "makes a NoneType, and no Structure"),
        (
            {"compute": with_fields(atomic_numbers=lambda made: made.atomic_numbers[::-1].copy())},
            "its atoms are others",
        ),
        (
            {"compute": with_fields(positions=lambda made: made.positions.astype(float))},
            "positions are float64, not float32",
        ),
        ({"compute": with_fields(positions=lambda made: made.positions * np.nan)}, "not finite"),
        ({"compute": with_fields(charge=lambda made: 1)}, "charge and unpaired electrons"),
        ({"yields": ("energy_toy_ha", "lumo_toy_ev")}, "lumo_toy_ev is promised and not there"),
        ({"atom_yields": ("spins_toy",)}, "spins_toy is promised and not there"),
        (
            {
                "compute": with_fields(
                    atom_values=lambda made: {"charges_toy": np.ones(made.n_atoms)}
                )
            },
            "charges_toy is float64",
        ),
        (
            {"compute": with_fields(positions=lambda made: made.positions + np.float32(1))},
            "makes no geometry, and the positions are others",
        ),
        ({"compute": values(dipole_toy_debye=lambda made: -1.0)}, r"-1 D, outside 0.0 to None"),
        ({"compute": values(dipole_toy_debye=lambda made: np.nan)}, "nan D, of a small molecule"),
        ({"free_atoms_ha": free_atoms((1, 6, 7, 8))}, "kcal/mol per atom below its free atoms"),
        (
            {"compute": values(energy_toy_ha=lambda made: float(next(count)))},
            "the second time it gives other numbers",
        ),
        ({"compute": shifts_its_argument}, "changes the structure that it is given"),
        (
            {"compute": values(dipole_toy_debye=lambda made: float(abs(made.positions[0, 0])))},
            "when the molecule is turned",
        ),
        ({"compute": with_fields(atom_values=charges_by_place)}, "does not follow the atoms"),
        (
            {
                "compute": values(
                    energy_toy_ha=lambda made: made.values["energy_toy_ha"] + 0.1 * made.charge
                )
            },
            r"no notice of the charge of C\[NH3\+\]",
        ),
        (
            {
                "compute": values(
                    energy_toy_ha=lambda made: made.values["energy_toy_ha"] + 0.01 * made.n_unpaired
                )
            },
            "no notice of the number of unpaired electrons of C=C",
        ),
        ({"compute": fails_hard}, "raises ZeroDivisionError .* raise MoleculeError"),
        ({"compute": never_fails}, "finite values for a molecule that cannot be"),
        ({"compute": remembers_failures}, "N is another one after one that failed"),
        (together(1e-9), "another among others than alone"),
        (
            {"compute": None, "compute_together": lambda subjects, *_: [1, 2, 3][: len(subjects)]},
            "makes a int, and no Structure",
        ),
    ],
)
def test_what_is_wrong_is_told(changes, wrong):
    memory.clear()
    with pytest.raises(AssertionError, match=wrong):
        check_level(replace(TOY, **changes), smiles=SMILES)


def test_a_typical_range_tells_another_unit():
    """HOMO of GFN2-xTB in hartree."""

    def compute(subject, start, settings):
        return start.with_values({"homo_gfn2_ev": 27.2 - start.charge - start.n_unpaired})

    level = replace(TOY, theory="gfn2", yields=("homo_gfn2_ev",), atom_yields=(), compute=compute)
    with pytest.raises(AssertionError, match=r"most molecules lie between -12.5 and -9: is it in"):
        check_level(level, smiles=SMILES)


def test_a_geometry_may_not_depend_on_the_pose():
    def compute(subject, start, settings):
        made = toy(subject, start, settings)
        return replace(made, positions=made.positions * np.float32([1, 1, 1.5]))

    level = replace(TOY, start="mmff94", makes_geometry=True, yields=(), compute=compute)
    with pytest.raises(AssertionError, match="from a turned start it reaches another geometry"):
        check_level(level, smiles=SMILES)


def test_a_level_from_the_drawing_may_not_make_what_cannot_be():
    def compute(subject, start, settings):
        numbers = [atom.GetAtomicNum() for atom in subject.molecule.GetAtoms()]
        line = np.arange(3 * len(numbers), dtype=np.float32).reshape(-1, 3)
        return Structure(np.array(numbers, np.uint8), line)

    level = replace(TOY, makes_geometry=True, yields=(), atom_yields=(), compute=compute)
    with pytest.raises(AssertionError, match=r"makes a structure of .*, which cannot be"):
        check_level(level, smiles=SMILES)
