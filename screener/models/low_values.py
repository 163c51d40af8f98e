"""Low values of structures: what the lower level of a delta says, from the values they carry.

Which columns are read and how others follow from them is settled once for a model, so that nothing
is looked up per molecule.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.records import Structure
from screener.registry.columns import chain, column, columns, levels, quantity
from screener.registry.own_quantities import BINDING_ENERGY, ENERGY
from screener.units import KCAL_PER_HARTREE, atomization_energy_ha

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Difference:
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class _Binding:
    """Free atoms minus molecule, without zero-point energy."""

    total: str  # column of the total energy, hartree
    free_atoms_ha: dict[int, float]


class LowValues:
    """Computes columns of one or more lower levels.

    Args:
        wanted: columns, such as `de_gfn2_kcal`. What a level computes is read off the structures;
            a difference follows from its parts, and a binding energy from the total energy and the
            level's free atoms.
    Raises:
        ConfigError: a column is none of a level, and does not follow from any.
    """

    def __init__(self, wanted: Sequence[str]) -> None:
        computed = {name for each in levels().values() for name in each.yields}
        self._recipes: dict[str, _Difference | _Binding | None] = {
            name: None if name in computed else _recipe(name) for name in wanted
        }
        sources = [
            part for name, recipe in self._recipes.items() for part in _sources(name, recipe)
        ]
        # columns that structures must have
        self.read = tuple(dict.fromkeys(sources))
        # in the order that tables have them: total energies come last
        self.columns = (*self._recipes, *(each for each in self.read if each not in self._recipes))

    def __call__(self, structures: Sequence[Structure]) -> dict[str, FloatArray]:
        """The columns of every structure, and those that they were computed from.

        Args:
            structures: n, with values of the level.
        Returns:
            float64 (n,) by column; NaN where an element has no free-atom energy.
        Raises:
            ConfigError: a structure lacks a value.
        """
        known = {name: self._values(structures, name) for name in self.read}
        result = {}
        for name, recipe in self._recipes.items():
            if isinstance(recipe, _Difference):
                result[name] = known[recipe.first] - known[recipe.second]
            elif isinstance(recipe, _Binding):
                result[name] = _binding_kcal(structures, known[recipe.total], recipe.free_atoms_ha)
            else:
                result[name] = known[name]
        return result | {name: known[name] for name in self.columns[len(result) :]}

    @staticmethod
    def _values(structures: Sequence[Structure], name: str) -> FloatArray:
        try:
            return np.array([each.values[name] for each in structures], dtype=np.float64)
        except KeyError as error:
            able = [
                each.name for each in levels().values() if name in each.yields and each.is_computed
            ]
            raise ConfigError(
                f"the model adds to {name}, which a structure does not have; "
                + (f"levels {', '.join(able)} compute it" if able else "no level here computes it")
            ) from error


def is_computed(name: str) -> bool:
    """Whether levels compute what a low column follows from, so that it need not be given.

    Args:
        name: of the column.
    Raises:
        ConfigError: it is none of a level, and does not follow from any.
    """
    computed = {part for each in levels().values() if each.is_computed for part in each.yields}
    return set(LowValues([name]).read) <= computed


def values_from(geometry_level: str, columns: Sequence[str], is_given: bool) -> tuple[str, ...]:
    """Levels that have to be computed at a geometry, so that structures have some columns.

    Args:
        geometry_level: of the structures.
        columns: that they must have.
        is_given: whether the geometries are those of a file, which have no values.
    Returns:
        names of levels; none where the geometry level itself makes the columns.
    Raises:
        ConfigError: no level computes a column at this geometry.
    """
    present = (
        set() if is_given else {name for each in chain(geometry_level) for name in each.yields}
    )
    found: list[str] = []
    for name in columns:
        if name in present:
            continue
        for each in levels().values():
            fits = each.is_computed and not each.makes_geometry
            if fits and each.start in (None, geometry_level) and name in each.yields:
                found.append(each.name)
                present |= set(each.yields)
                break
        else:
            raise ConfigError(f"no level computes {name} at {geometry_level} geometries")
    return tuple(found)


def low_values(structures: Sequence[Structure], wanted: Sequence[str]) -> dict[str, FloatArray]:
    """Columns of a lower level, see `LowValues`.

    Args:
        structures: n, with values of the level.
        wanted: columns.
    Returns:
        float64 (n,) by column.
    Raises:
        ConfigError: a column is not known, or a structure lacks a value.
    """
    return LowValues(wanted)(structures)


def _recipe(name: str) -> _Difference | _Binding | None:
    if name not in columns():
        raise ConfigError(f"a model adds to {name}, and no level computes that")
    known = column(name)
    if known.quantity.difference is not None:
        first, second = (quantity(part).column(known.theory) for part in known.quantity.difference)
        return _Difference(first, second)
    if known.quantity == BINDING_ENERGY:
        total = ENERGY.column(known.theory)
        for each in levels().values():
            if total in each.yields and each.free_atoms_ha:
                return _Binding(total, dict(each.free_atoms_ha))
    raise ConfigError(f"a model adds to {name}, and no level computes that")


def _sources(name: str, recipe: _Difference | _Binding | None) -> tuple[str, ...]:
    if isinstance(recipe, _Difference):
        return recipe.first, recipe.second
    return (recipe.total,) if isinstance(recipe, _Binding) else (name,)


def _binding_kcal(
    structures: Sequence[Structure], totals: FloatArray, free_atoms_ha: dict[int, float]
) -> FloatArray:
    """Free atoms minus molecule, kcal/mol (n,); NaN for an element without a free-atom energy."""
    energies = np.full(len(structures), np.nan)
    for row, structure in enumerate(structures):
        numbers = structure.atomic_numbers
        if all(number in free_atoms_ha for number in numbers.tolist()):
            energies[row] = atomization_energy_ha(float(totals[row]), numbers, free_atoms_ha)
    return energies * KCAL_PER_HARTREE
