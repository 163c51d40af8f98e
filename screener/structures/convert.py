"""`screener library convert`: structures of before, which belonged to one library, become common.

They were named by a digest of library, settings and versions and lay by rows of the library. Which
settings a folder stands for is told by campaigns, or found by trying all that such campaigns could
ask for. Units keep their names, which the campaigns of that time know them by; their rows become
the library's `mol_id`s. One task converts some hundred units. Those that are done are not done
again, and the old folder goes when all are.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.chemistry.levels import GFN2_OPT, GFN2_REDOX, MMFF94
from screener.chemistry.structures import StructureSettings
from screener.errors import StoreError
from screener.execution.tasks import Task
from screener.stores.files import Folder, digest, from_parquet
from screener.stores.library import LibraryStore, open_library
from screener.stores.receipts import Receipts
from screener.stores.structure_units import BROKEN, MolIds, from_former_zip, mol_ids_of
from screener.stores.structures import StructureStore
from screener.structures.index_tasks import Carry, update_index
from screener.structures.recipe import Recipe, installed

log = logging.getLogger(__name__)

UNITS = 256  # that one task converts
_MOST_CONFORMERS = 64
_FORMER = "structures.zarr"  # what such a folder has


@dataclass(frozen=True, slots=True)
class Converted:
    """What became of a folder of before.

    Args:
        folder: its name.
        recipe: what its structures were made by; None where nothing that was tried fits.
        n_units: that were converted, by this or an earlier call.
        n_lost: that could not be read, and will be made again.
    """

    folder: str
    recipe: Recipe | None
    n_units: int = 0
    n_lost: int = 0


def former_digest(library_digest: str, recipe: Recipe) -> str:
    """What named the structures of a library.

    Args:
        library_digest: of the library.
        recipe: how they are made, from drawings.
    """
    return digest(
        {"library": library_digest, "geometry": recipe.about["settings"], **recipe.versions}
    )


def former_folders(library: LibraryStore) -> list[str]:
    """Names of the folders of structures of before that a library has."""
    root = library.folder.child("structures")
    return [name for name in root.folders() if root.exists(f"{name}/{_FORMER}")]


def convert(
    carry: Carry, library: LibraryStore, root: Folder, told: Sequence[Recipe]
) -> Iterator[Converted]:
    """Convert all structures of before that a library has.

    Args:
        carry: carries out tasks.
        library: that they were made from.
        root: the folder of structures that they go to.
        told: what they may have been made by, such as the recipes of campaigns; what these could
            ask for by default is tried as well.
    Yields:
        what became of each folder.
    Raises:
        StoreError: a file cannot be read or written.
    """
    names = former_folders(library)
    known = _recognised(library, set(names), told)
    for name in names:
        recipe = known.get(name)
        if recipe is None:
            yield Converted(name, None)
            continue
        before = library.folder.child(f"structures/{name}")
        store = recipe.store(root)
        recipe.write_about(store)
        units = sorted(Receipts(before).done())
        place = (library.folder.url, library.digest, before.url, store.folder.url)
        tasks = (
            Task(f"convert-{start}", convert_units, (*place, tuple(units[start:][:UNITS])))
            for start in range(0, len(units), UNITS)
        )
        n_lost = sum(completed.result for completed in carry(tasks))
        update_index(carry, store)
        before.clear()
        yield Converted(name, recipe, len(units) - n_lost, n_lost)


def convert_units(
    library_url: str, library_digest: str, before_url: str, store_url: str, units: Sequence[str]
) -> int:
    """Convert units, on a worker.

    Args:
        library_url: where the library is.
        library_digest: of it.
        before_url: the folder of before.
        store_url: the store that they go to.
        units: their names.
    Returns:
        how many could not be read.
    """
    library = open_library(library_url, library_digest)
    before, store = Folder(before_url), StructureStore(Folder(store_url))

    def mol_ids_of_rows(rows: NDArray[np.int64]) -> MolIds:
        return mol_ids_of(library.read_rows(rows, ["mol_id"])["mol_id"].to_pylist())

    n_lost = 0
    for unit in units:
        if store.has(unit):
            continue
        try:
            content = from_former_zip(
                before.read_bytes(f"{_FORMER}/{unit}.zip"),
                mol_ids_of_rows,
                _errors(before, unit),
            )
        except (*BROKEN, StoreError, pa.ArrowException) as error:
            log.warning("structures are lost, and made again by who needs them: %s", error)
            n_lost += 1
            continue
        store.write_arrays(unit, content)
    return n_lost


def _errors(before: Folder, unit: str) -> dict[int, tuple[str, str]]:
    """Why molecules of a unit have no structure: code and message by row."""
    path = f"quarantine/{unit}.parquet"
    if not before.exists(path):
        return {}
    table = from_parquet(before.read_bytes(path), ["row", "code", "message"])
    return {each["row"]: (each["code"], each["message"]) for each in table.to_pylist()}


def _recognised(
    library: LibraryStore, names: set[str], told: Iterable[Recipe]
) -> dict[str, Recipe]:
    """The recipe of each folder that is recognised by its name."""
    known: dict[str, Recipe] = {}
    for recipe in (*told, *(_usual(library) if names else ())):
        name = former_digest(library.digest, recipe)
        if name in names:
            known[name] = recipe
        if len(known) == len(names):
            break
    return known


def _usual(library: LibraryStore) -> Iterator[Recipe]:
    """What campaigns could ask for without settings of levels, with the versions of now."""
    versions = [installed()]
    if library.manifest.rdkit_version != versions[0]["rdkit"]:
        versions.append({**versions[0], "rdkit": library.manifest.rdkit_version})
    levels = ((MMFF94.name, ()), (GFN2_OPT.name, ()), (GFN2_OPT.name, (GFN2_REDOX.name,)))
    conformers = range(1, _MOST_CONFORMERS + 1)
    for n_conformers, each, (name, values) in product(conformers, versions, levels):
        yield Recipe.from_drawing(StructureSettings.at(name, n_conformers, values), each)
