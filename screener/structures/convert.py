"""`screener library convert`: structures of before, which belonged to one library, become common.

They were named by a digest of library, settings and versions and lay by rows of the library. Which
settings a folder stands for is told by campaigns, or found by trying all that such campaigns could
ask for. Units keep their names, which the campaigns of that time know them by; their rows become
the library's `mol_id`s. One task converts some hundred units. Those that are done are not done
again, and the old folder goes when all are. A unit whose own files are damaged is given up; a
library or a store that cannot be read ends the conversion, and nothing is removed.
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
from screener.stores.mol_ids import MolIds, mol_ids_of
from screener.stores.receipts import Receipts
from screener.stores.structure_units import BROKEN, from_former_zip
from screener.stores.structures import StructureStore
from screener.structures.index_tasks import Carry, update_index
from screener.structures.recipe import Recipe, installed
from screener.structures.recipe_store import store_of, write_about

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
    carry: Carry, library: LibraryStore, root: Folder, recipes: Sequence[Recipe]
) -> Iterator[Converted]:
    """Convert all structures of before that a library has.

    Args:
        carry: carries out tasks.
        library: that they were made from.
        root: the folder of structures that they go to.
        recipes: that they may have been made by, such as those of campaigns; what campaigns could
            ask for by default is tried as well.
    Yields:
        what became of each folder.
    Raises:
        StoreError: the library cannot be read, or a file not be read or written. What is
            converted by then stays so, and the old folder too.
    """
    names = former_folders(library)
    recipe_of = _recognised(library, set(names), recipes)
    for name in names:
        recipe = recipe_of.get(name)
        if recipe is None:
            yield Converted(name, None)
            continue
        before = library.folder.child(f"structures/{name}")
        store = store_of(recipe, root)
        write_about(recipe, store)
        units = sorted(Receipts(before).done())
        urls = (library.folder.url, library.digest, before.url, store.folder.url)
        tasks = (
            Task(f"convert-{start}", convert_units, (*urls, tuple(units[start : start + UNITS])))
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
        how many are lost or damaged.
    Raises:
        StoreError: the library cannot be read, or a file that is there.
    """
    library = open_library(library_url, library_digest)
    before, store = Folder(before_url), StructureStore(Folder(store_url))

    def mol_ids_of_rows(rows: NDArray[np.int64]) -> MolIds:
        return mol_ids_of(library.read_rows(rows, ["mol_id"])["mol_id"].to_pylist())

    n_lost = 0
    for unit in units:
        if store.has(unit):
            continue
        archive = _read(before, f"{_FORMER}/{unit}.zip")
        quarantine = _read(before, f"quarantine/{unit}.parquet")
        try:
            if archive is None:
                raise ValueError("its file is missing")
            content = from_former_zip(archive, mol_ids_of_rows, _reasons(quarantine))
        # not a StoreError: a library that cannot be read is no reason to give structures up
        except (*BROKEN, pa.ArrowException) as error:
            log.warning("structures of %s/%s are lost: %s", before.url, unit, error)
            n_lost += 1
            continue
        store.write_arrays(unit, content)
    return n_lost


def _read(folder: Folder, path: str) -> bytes | None:
    """A file; None where there is none."""
    try:
        return folder.read_bytes(path)
    except StoreError:
        if folder.exists(path):
            raise
        return None


def _reasons(quarantine: bytes | None) -> dict[int, tuple[str, str]]:
    """Why molecules of a unit have no structure: code and message by row."""
    if quarantine is None:
        return {}
    table = from_parquet(quarantine, ["row", "code", "message"])
    return {each["row"]: (each["code"], each["message"]) for each in table.to_pylist()}


def _recognised(
    library: LibraryStore, names: set[str], recipes: Iterable[Recipe]
) -> dict[str, Recipe]:
    """The recipe of each folder that is recognised by its name."""
    recipe_of: dict[str, Recipe] = {}
    for recipe in (*recipes, *_usual(library)):
        if len(recipe_of) == len(names):
            break
        name = former_digest(library.digest, recipe)
        if name in names:
            recipe_of[name] = recipe
    return recipe_of


def _usual(library: LibraryStore) -> Iterator[Recipe]:
    """What campaigns could ask for without settings of levels, with the versions of now."""
    versions = [installed()]
    if library.manifest.rdkit_version != versions[0]["rdkit"]:
        versions.append({**versions[0], "rdkit": library.manifest.rdkit_version})
    levels = ((MMFF94.name, ()), (GFN2_OPT.name, ()), (GFN2_OPT.name, (GFN2_REDOX.name,)))
    conformers = range(1, _MOST_CONFORMERS + 1)
    for n_conformers, each, (name, values) in product(conformers, versions, levels):
        yield Recipe.from_drawing(StructureSettings.at(name, n_conformers, values), each)
