"""Where structures of a recipe are kept; apart, as the processes that make them need no Zarr."""

from screener.stores.files import Folder, to_json
from screener.stores.structures import ABOUT, StructureStore
from screener.structures.recipe import Recipe


def store_of(recipe: Recipe, root: Folder) -> StructureStore:
    """Where the structures of a recipe are kept.

    Args:
        recipe: that makes them.
        root: the folder of all structures, of a library or shared.
    """
    return StructureStore(root.child(recipe.digest))


def write_about(recipe: Recipe, store: StructureStore) -> None:
    """Write down in a store what its name stands for."""
    store.folder.create_bytes(ABOUT, to_json(recipe.about))
