"""Levels: methods that make geometries or compute values, and levels whose values are given.

A level starts from the drawing or from the geometry of another level, so levels form chains:
drawing → `mmff94` → `gfn2-opt` → `gfn2-redox`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.registry.elements import symbol_of, symbols_of


class LevelSettings(BaseModel):
    """Settings of a level; a level with settings of its own derives from this.

    `procedure` goes up when the same settings would give other numbers, so that stored structures
    of before are not taken for those of now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    procedure: int = 1

    @property
    def repeats(self) -> int:
        """How many times these settings have the work of the level done, as for conformers."""
        return 1

    @property
    def is_installed(self) -> bool:
        """Whether structures are made by this procedure here; those of others can be read."""
        installed: int = type(self).model_fields["procedure"].default
        return self.procedure == installed


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """The molecule that a level is given.

    Args:
        smiles: canonical, isomeric.
        mol_id: 32 hexadecimal digits; seeds whatever is random.
        molecule: RDKit molecule of the SMILES with hydrogens added last: the order of all atoms.
        charge: total.
        n_unpaired: unpaired electrons.
    """

    smiles: str
    mol_id: str
    molecule: Any
    charge: int
    n_unpaired: int


# (the molecule, its structure at the level that this one starts from or None where it starts from
#  the drawing, the level's settings) -> the structure with what the level adds
Compute = Callable[[Subject, Structure | None, Any], Structure]
# the same of several molecules, each of which ends in a structure or in the error that it ended in
ComputeTogether = Callable[
    [Sequence[Subject], Sequence[Structure | None], Any], list[Structure | MoleculeError]
]


@dataclass(frozen=True, slots=True)
class Level:
    """One level.

    Args:
        name: in configurations, such as `gfn2-opt`.
        label: for a reader, such as `GFN2-xTB minimum`.
        theory: the part of column names that tells its values, such as `gfn2`.
        elements: atomic numbers that it can be given.
        charges: least and largest total charge.
        open_shells: whether it can be given unpaired electrons.
        start: name of the level whose geometry it starts from; None where a geometry is made from
            the drawing, or values can be computed at any geometry.
        makes_geometry: whether its structures have positions of their own.
        yields: columns of one value per molecule that it adds.
        atom_yields: columns of one value per atom that it adds.
        free_atoms_ha: energies of free atoms by atomic number, hartree, where its total energies
            can be turned into atomization energies.
        seconds: what a molecule of ten heavy atoms takes on one core, about; the size of tasks
            follows from it.
        settings: their class.
        compute: adds the values, or makes the geometry; raises MoleculeError where a molecule
            cannot be done. None where values are given and not computed.
        compute_together: the same for several molecules, where that is faster; a molecule has to
            get the same bytes whatever others come with it. It stands in place of `compute`.
        former: names of the geometries that it makes, as cards and files of before have them.
        source: of the method and of the numbers here.
    """

    name: str
    label: str
    theory: str
    elements: frozenset[int]
    charges: tuple[int, int] = (0, 0)
    open_shells: bool = False
    start: str | None = None
    makes_geometry: bool = False
    yields: tuple[str, ...] = ()
    atom_yields: tuple[str, ...] = ()
    free_atoms_ha: Mapping[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    settings: type[LevelSettings] = LevelSettings
    compute: Compute | None = None
    compute_together: ComputeTogether | None = None
    former: tuple[str, ...] = ()
    source: str = ""

    @property
    def is_computed(self) -> bool:
        """Whether its values are computed, rather than given."""
        return self.compute is not None or self.compute_together is not None

    def apply(
        self, subject: Subject, start: Structure | None, settings: LevelSettings
    ) -> Structure:
        """What the level makes of a molecule that it can be given.

        Args:
            subject: the molecule.
            start: its structure at the level that this one starts from; None for the drawing.
            settings: of the class `settings`.
        Returns:
            the structure with what the level adds.
        Raises:
            ConfigError: values of this level are given, never computed.
            MoleculeError: `unknown_element`, `charge_out_of_range` and `open_shell` where the entry
                of the level excludes the molecule; whatever `compute` raises.
        """
        self._require_can_be_given(subject, start)
        if self.compute is not None:
            return self.compute(subject, start, settings)
        (outcome,) = self._together([subject], [start], settings)
        if isinstance(outcome, MoleculeError):
            raise outcome
        return outcome

    def apply_together(
        self,
        subjects: Sequence[Subject],
        starts: Sequence[Structure | None],
        settings: LevelSettings,
    ) -> list[Structure | MoleculeError]:
        """What the level makes of several molecules.

        Args:
            subjects: (n,) molecules.
            starts: (n,), as `apply` is given them.
            settings: of the class `settings`.
        Returns:
            (n,): of each what `apply` returns, or the MoleculeError that it raises.
        Raises:
            ConfigError: values of this level are given, never computed.
        """
        outcomes: list[Structure | MoleculeError | None] = []
        for subject, start in zip(subjects, starts, strict=True):
            try:
                if self.compute_together is None:
                    outcomes.append(self.apply(subject, start, settings))
                else:
                    self._require_can_be_given(subject, start)
                    outcomes.append(None)
            except MoleculeError as error:
                outcomes.append(error)
        rest = [place for place, outcome in enumerate(outcomes) if outcome is None]
        together = self._together(
            [subjects[place] for place in rest], [starts[place] for place in rest], settings
        )
        for place, outcome in zip(rest, together, strict=True):
            outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _together(
        self,
        subjects: Sequence[Subject],
        starts: Sequence[Structure | None],
        settings: LevelSettings,
    ) -> list[Structure | MoleculeError]:
        if not subjects:
            return []
        assert self.compute_together is not None
        return self.compute_together(subjects, starts, settings)

    def _require_can_be_given(self, subject: Subject, start: Structure | None) -> None:
        if not self.is_computed:
            raise ConfigError(f"values at level {self.name} are given, and never computed")
        if start is None:
            present = {atom.GetAtomicNum() for atom in subject.molecule.GetAtoms()}
        else:
            present = set(np.unique(start.atomic_numbers).tolist())
        self.require_knows(present, subject.charge, subject.n_unpaired)

    def require_knows(
        self, atomic_numbers: set[int] | NDArray[np.integer], charge: int, n_unpaired: int
    ) -> None:
        """Refuse a molecule that the entry of the level excludes.

        Args:
            atomic_numbers: of all atoms.
            charge: total.
            n_unpaired: unpaired electrons.
        Raises:
            MoleculeError: `unknown_element`, `charge_out_of_range` or `open_shell`.
        """
        unknown = {int(number) for number in atomic_numbers} - self.elements
        if unknown:
            raise MoleculeError(
                "unknown_element",
                f"level {self.name} has no {', '.join(map(symbol_of, sorted(unknown)))}; it knows "
                f"{', '.join(symbols_of(self.elements))}",
            )
        least, most = self.charges
        if not least <= charge <= most:
            raise MoleculeError(
                "charge_out_of_range",
                f"level {self.name} takes charges from {least} to {most}, and this one is {charge}",
            )
        if n_unpaired and not self.open_shells:
            raise MoleculeError(
                "open_shell",
                f"level {self.name} takes closed shells alone, and this molecule has {n_unpaired} "
                "unpaired electrons",
            )


def wall_clock_of(seconds: float) -> float:
    """What a molecule may take before it is set aside, far more than a large one needs: of quick
    levels thousands of times what one of ten heavy atoms takes, of slow ones a hundred times.

    Args:
        seconds: that a molecule of ten heavy atoms takes, about.
    Returns:
        seconds.
    """
    return max(60.0, min(2400.0 * seconds, 3600.0), 100.0 * seconds)
