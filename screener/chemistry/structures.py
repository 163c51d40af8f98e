"""From a SMILES to one 3D structure, by the levels that the settings name.

The levels are entries of the registry and form chains: one makes a conformer from the drawing,
the next goes on from there, further ones compute values at the geometry that was reached.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from rdkit import Chem

from screener.chemistry import former_settings
from screener.chemistry.conformers import atomic_numbers_of
from screener.chemistry.identity import mol_id as identity_of
from screener.chemistry.levels import MMFF94, subject_of
from screener.chemistry.radicals import unpaired_electrons
from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.registry.columns import chain, level
from screener.registry.levels import Level, LevelSettings, Subject, wall_clock_of
from screener.registry.plugins import signature

CONFORMERS = "n_conformers"  # the setting of levels that embed several and keep one


class StructureSettings(BaseModel):
    """How structures are made. Written out whole, they name a set of structures.

    Args:
        level: name of the level that makes the geometry.
        values: names of levels whose values are computed at this geometry.
        settings: of each level that takes part, by its name; what is left out is filled in with the
            level's own defaults, so that what is stored says what was used.
        plugins: package, version and digest of each of these levels that is not of this package;
            what is left out is filled in with what is installed.
    Raises:
        ConfigError: a level is not there, computes nothing, makes no geometry where one is needed,
            starts from another geometry, or its settings do not fit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: str = MMFF94.name
    values: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict, validate_default=True)
    plugins: Mapping[str, str] = Field(default_factory=dict, validate_default=True)

    @classmethod
    def at(
        cls,
        name: str,
        n_conformers: int | None = None,
        values: tuple[str, ...] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> "StructureSettings":
        """Settings at a level, all other numbers as the levels have them.

        Args:
            name: of the level that makes the geometry.
            n_conformers: embedded, of which the lowest is kept, by the last level of the chain
                that does so; None for its own number.
            values: names of levels whose values are computed at this geometry.
            settings: of levels, by name, as far as they are to be others; they come before
                `n_conformers`.
        Returns:
            complete settings.
        """
        given = {level_name: dict(each) for level_name, each in (settings or {}).items()}
        able = [each for each in chain(name) if CONFORMERS in each.settings.model_fields]
        if n_conformers is not None and able:
            last = able[-1].name
            given[last] = {CONFORMERS: n_conformers, **given.get(last, {})}
        return cls(level=name, values=values, settings=given)

    @model_validator(mode="before")
    @classmethod
    def _as_of_now(cls, given: Any) -> Any:
        return former_settings.as_now(given) if isinstance(given, Mapping) else given

    @field_validator("level")
    @classmethod
    def _makes_geometry(cls, name: str) -> str:
        for each in chain(name):
            _require_computed(each)
            if not each.makes_geometry:
                raise ConfigError(
                    f"level {each.name} makes no geometry; ask for its values instead"
                )
        return name

    @field_validator("values")
    @classmethod
    def _computes_values(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in names:
            _require_computed(level(name))
            start = level(name).start
            if level(name).makes_geometry or start not in (None, info.data.get("level")):
                raise ConfigError(
                    f"level {name} "
                    + (f"starts from {start}" if start else "makes a geometry of its own")
                    + f", so its values cannot be computed at {info.data.get('level')}"
                )
        return tuple(dict.fromkeys(names))

    @field_validator("settings")
    @classmethod
    def _whole(
        cls, given: Mapping[str, Mapping[str, Any]], info: ValidationInfo
    ) -> Mapping[str, Mapping[str, Any]]:
        if not {"level", "values"} <= set(info.data):  # these were refused
            return given
        taking_part = _levels(info.data["level"], info.data["values"])
        others = sorted(set(given) - {each.name for each in taking_part})
        if others:
            raise ConfigError(
                f"settings of {', '.join(others)}, which takes no part: structures are made by "
                f"{', '.join(each.name for each in taking_part)}"
            )
        return {
            each.name: _checked(each, given.get(each.name, {})).model_dump(mode="json")
            for each in taking_part
        }

    @field_validator("plugins")
    @classmethod
    def _installed(cls, given: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
        if given or not {"level", "values"} <= set(info.data):
            return given
        taking_part = _levels(info.data["level"], info.data["values"])
        signatures = {each.name: signature("levels", each.name) for each in taking_part}
        return {name: text for name, text in signatures.items() if text}

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As before levels were entries, where that says all: structures are named by digests of
        this, and those that were made then are found again."""
        before = former_settings.as_before(self.level, self.values, self.settings)
        if before is not None:
            return before
        values: dict[str, Any] = handler(self)
        return values if self.plugins else {k: v for k, v in values.items() if k != "plugins"}

    @property
    def steps(self) -> tuple[tuple[Level, LevelSettings], ...]:
        """The levels that take part, in the order in which they do, with their settings."""
        return tuple(
            (each, _checked(each, self.settings[each.name]))
            for each in _levels(self.level, self.values)
        )

    @property
    def n_conformers(self) -> int:
        """How many conformers are embedded, of which one is kept."""
        return max(int(each.get(CONFORMERS, 1)) for each in self.settings.values())

    @property
    def seconds(self) -> float:
        """What a molecule of ten heavy atoms takes on one core, about."""
        return sum(each.seconds * how.repeats for each, how in self.steps)

    @property
    def wall_clock_seconds(self) -> float:
        """What a molecule may take before it is set aside: far more than a large one needs."""
        return max(wall_clock_of(each.seconds * how.repeats) for each, how in self.steps)

    @property
    def value_columns(self) -> tuple[str, ...]:
        """Columns that the levels of `values` add to the structures."""
        return tuple(column for name in self.values for column in level(name).yields)


def make_structure(smiles: str, mol_id: str, settings: StructureSettings) -> Structure:
    """Structure of one molecule from its canonical isomeric SMILES.

    Args:
        smiles: canonical isomeric SMILES.
        mol_id: 32 hexadecimal digits; gives the seed of the embedding.
        settings: the levels and their settings.
    Returns:
        atoms in the order of the SMILES, hydrogens last.
    Raises:
        MoleculeError: `invalid_smiles`, and what `Level.apply` raises.
    """
    (outcome,) = through_levels(settings.steps, [from_drawing(smiles, mol_id)])
    if isinstance(outcome, MoleculeError):
        raise outcome
    return outcome


class Started(NamedTuple):
    """A molecule on its way through levels."""

    subject: Subject
    structure: Structure | None  # at the level that was reached; None for the drawing


def from_drawing(smiles: str, mol_id: str) -> Started:
    """A molecule that starts from its drawing.

    Args:
        smiles: canonical isomeric SMILES.
        mol_id: 32 hexadecimal digits.
    Returns:
        the molecule, without a structure.
    Raises:
        MoleculeError: `invalid_smiles`.
    """
    return Started(subject_of(smiles, mol_id), None)


def from_geometry(molecule: Chem.Mol, positions: NDArray[np.floating]) -> Started:
    """A molecule that starts from a given geometry.

    Args:
        molecule: with hydrogens, in the order of `positions`; tells charge and multiplicity.
        positions: (n_atoms, 3), angstrom.
    Returns:
        the molecule with atoms in the order of `molecule`.
    """
    smiles = Chem.MolToSmiles(Chem.RemoveHs(molecule))
    charge, n_unpaired = Chem.GetFormalCharge(molecule), unpaired_electrons(molecule)
    structure = Structure(
        atomic_numbers_of(molecule),
        positions.astype(np.float32),
        charge=charge,
        n_unpaired=n_unpaired,
    )
    subject = Subject(smiles, identity_of(smiles), molecule, charge, n_unpaired)
    return Started(subject, structure)


def through_levels(
    steps: Sequence[tuple[Level, LevelSettings]], started: Sequence[Started | MoleculeError]
) -> list[Structure | MoleculeError]:
    """What levels make of molecules, one level after the other.

    Args:
        steps: levels with their settings, at least one.
        started: (n,) molecules, or why one could not start.
    Returns:
        (n,): the structure of each, or the error that it ended in.
    """
    outcomes: list[Started | MoleculeError] = list(started)
    for each, how in steps:
        places = [k for k, outcome in enumerate(outcomes) if isinstance(outcome, Started)]
        going = [outcome for outcome in outcomes if isinstance(outcome, Started)]
        made = each.apply_together([s.subject for s in going], [s.structure for s in going], how)
        for place, before, after in zip(places, going, made, strict=True):
            if isinstance(after, MoleculeError):
                outcomes[place] = after
            else:
                outcomes[place] = Started(before.subject, after)
    results = [each if isinstance(each, MoleculeError) else each.structure for each in outcomes]
    return [each for each in results if each is not None]


def _levels(name: str, values: tuple[str, ...]) -> tuple[Level, ...]:
    return (*chain(name), *map(level, values))


def _require_computed(each: Level) -> None:
    if not each.is_computed:
        raise ConfigError(
            f"structures at level {each.name} are given, and never computed; make them elsewhere, "
            "or ask for another level"
        )


def _checked(each: Level, given: Mapping[str, Any]) -> LevelSettings:
    try:
        return each.settings.model_validate(dict(given))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise ConfigError(f"settings of level {each.name}: {place}: {fault['msg']}") from error
    except ConfigError as error:
        raise ConfigError(f"settings of level {each.name}: {error}") from error
