"""Levels made of a potential, and those of AIMNet2 as entries of the registry.

`values_level` computes energies and charges at any geometry, `minimum_level` goes from the geometry
of a lower level to the minimum. Whoever has another potential makes levels of it in the same way
and registers them as entry points.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

from pydantic import PositiveFloat, PositiveInt

from screener.chemistry.conformers import conformers
from screener.chemistry.free_atoms import WB97M_HA
from screener.chemistry.geometry import require_same_molecule
from screener.chemistry.saddles import true_minimum
from screener.errors import MoleculeError
from screener.potentials.aimnet2.weights import ELEMENTS
from screener.potentials.minima import AtMinimum, minima, require_finite
from screener.potentials.potential import Evaluation, Potential
from screener.records import Structure
from screener.registry.levels import Level, LevelSettings, Subject
from screener.units import EV_PER_HARTREE

Make = Callable[[], Potential]

AIMNET2_SOURCE = "Anstine, Zubatyuk, Isayev, Chem. Sci. 16, 10228 (2025)"


class MinimumSettings(LevelSettings):
    """From how many conformers optimisations start, and when they end."""

    procedure: int = 2  # before, optimisations could end on passes
    n_conformers: PositiveInt = 1  # embedded; more than one in place of the geometry given
    n_optimised: PositiveInt = 3  # of these, the lowest by the force field
    force_threshold: PositiveFloat = 0.03  # eV/angstrom, of the largest force
    max_steps: PositiveInt = 200  # evaluations

    @property
    def repeats(self) -> int:
        """The optimisations."""
        return min(self.n_conformers, self.n_optimised)


def columns_of(theory: str, is_ensemble: bool) -> tuple[str, ...]:
    """Columns of one value per molecule that levels of a potential yield: the energy, and of an
    ensemble the standard deviation among its members."""
    energy = f"energy_{theory}_ha"
    return (energy, f"energy_std_{theory}_ev") if is_ensemble else (energy,)


def values_level(
    make: Make, *, name: str, theory: str, is_ensemble: bool, seconds: float, **others: Any
) -> Level:
    """A level that computes values at the geometry it is given.

    Args:
        make: makes the potential; called once in a process, when it is first needed.
        name: of the level.
        theory: the part of column names that tells its values.
        is_ensemble: whether the potential tells standard deviations.
        seconds: what a molecule of ten heavy atoms takes on one core, about.
        others: of `Level`, such as `label`, `elements`, `charges`, `source`.
    Returns:
        the level.
    """
    potential = cache(make)

    def compute(
        subjects: Sequence[Subject], starts: Sequence[Structure | None], settings: LevelSettings
    ) -> list[Structure | MoleculeError]:
        structures = [_given(start) for start in starts]
        outcomes: list[Structure | MoleculeError] = []
        for structure, each in zip(structures, potential().evaluate(structures), strict=True):
            try:
                require_finite(each)
                outcomes.append(_with_values(structure, each, theory))
            except MoleculeError as error:
                outcomes.append(error)
        return outcomes

    return _level(
        theory, is_ensemble, name=name, seconds=seconds, compute_together=compute, **others
    )


def minimum_level(
    make: Make,
    *,
    name: str,
    theory: str,
    start: str,
    is_ensemble: bool,
    seconds: float,
    **others: Any,
) -> Level:
    """A level that makes geometries: minima of a potential, of several conformers the lowest.
    Molecules that change their bonds or their stereochemistry on the way are set aside.

    Args:
        make: makes the potential; called once in a process, when it is first needed.
        name: of the level.
        theory: the part of column names that tells its values.
        is_ensemble: whether the potential tells standard deviations.
        start: name of the level that it starts from.
        seconds: what a molecule of ten heavy atoms takes on one core, about.
        others: of `Level`, such as `label`, `elements`, `charges`, `source`.
    Returns:
        the level.
    """
    potential = cache(make)

    def compute(
        subjects: Sequence[Subject], starts: Sequence[Structure | None], settings: MinimumSettings
    ) -> list[Structure | MoleculeError]:
        begun = [
            _conformers(subject, _given(start), settings)
            for subject, start in zip(subjects, starts, strict=True)
        ]
        ended = iter(
            minima(
                potential(),
                [each for several in begun for each in several],
                settings.force_threshold,
                settings.max_steps,
            )
        )
        lowest = [
            _lowest(subject, list(islice(ended, len(several))))
            for subject, several in zip(subjects, begun, strict=True)
        ]
        settled = iter(
            minima(
                potential(),
                [each.structure for each in lowest if isinstance(each, AtMinimum)],
                settings.force_threshold,
                settings.max_steps,
                true_minimum,
            )
        )
        return [
            each if isinstance(each, MoleculeError) else _settled(subject, next(settled), theory)
            for subject, each in zip(subjects, lowest, strict=True)
        ]

    return _level(
        theory,
        is_ensemble,
        name=name,
        start=start,
        makes_geometry=True,
        seconds=seconds,
        settings=MinimumSettings,
        compute_together=compute,
        **others,
    )


def _level(theory: str, is_ensemble: bool, **others: Any) -> Level:
    return Level(
        theory=theory,
        yields=columns_of(theory, is_ensemble),
        atom_yields=(f"charges_{theory}",),
        **others,
    )


def _conformers(subject: Subject, start: Structure, settings: MinimumSettings) -> list[Structure]:
    """Where the optimisations of a molecule start."""
    if settings.n_conformers == 1:
        return [start]
    try:
        several = conformers(
            subject.molecule, subject.mol_id, settings.n_conformers, settings.n_optimised
        )
    except MoleculeError:  # what is given is there all the same
        return [start]
    return [replace(start, positions=each.astype("float32")) for each in several]


def _lowest(subject: Subject, ended: list[AtMinimum | MoleculeError]) -> AtMinimum | MoleculeError:
    """The lowest end of a walk that is still the molecule, or why there is none."""
    errors: list[MoleculeError] = []
    right: list[AtMinimum] = []
    for each in ended:
        try:
            if isinstance(each, MoleculeError):
                raise each
            require_same_molecule(subject.molecule, each.structure)
            right.append(each)
        except MoleculeError as error:
            errors.append(error)
    if not right:
        return errors[0]
    return min(right, key=lambda each: each.evaluation.energy_ev)


def _settled(
    subject: Subject, end: AtMinimum | MoleculeError, theory: str
) -> Structure | MoleculeError:
    """What a level says of the minimum that was looked at for passes."""
    end = _lowest(subject, [end])
    if isinstance(end, MoleculeError):
        return end
    return _with_values(end.structure, end.evaluation, theory)


def _given(start: Structure | None) -> Structure:
    assert start is not None  # neither level starts from the drawing
    return start


def _with_values(structure: Structure, evaluation: Evaluation, theory: str) -> Structure:
    told = (evaluation.energy_ev / EV_PER_HARTREE, evaluation.std_ev)
    is_ensemble = not math.isnan(evaluation.std_ev)
    values = dict(zip(columns_of(theory, is_ensemble), told, strict=False))
    return structure.with_values(values, {f"charges_{theory}": evaluation.charges})


@cache
def _aimnet2() -> Potential:
    from screener.potentials.aimnet2.potential import AimNet2  # torch: not in every process

    return AimNet2()


_OF_AIMNET2: Mapping[str, Any] = {
    "is_ensemble": True,
    "label": "AIMNet2",
    "elements": frozenset(ELEMENTS),
    "charges": (-2, 2),
    "free_atoms_ha": WB97M_HA,
    "source": AIMNET2_SOURCE,
}
AIMNET2 = values_level(_aimnet2, name="aimnet2", theory="aimnet2", seconds=0.015, **_OF_AIMNET2)
AIMNET2_OPT = minimum_level(
    _aimnet2, name="aimnet2-opt", theory="aimnet2", start="mmff94", seconds=0.3, **_OF_AIMNET2
)
