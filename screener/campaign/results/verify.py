"""Reads all that a library, a campaign or a folder of structures holds; names what is damaged.

Every file is compared with the checksum that was written down when it was made. Predictions that
are damaged lose their receipts, so that the campaign makes them again when it is resumed; of
structures, whoever needs them finds it out. A shard cannot be made again without its inputs.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain

from screener.campaign.results.invalidate import invalidate
from screener.campaign.settings.stage import Campaign
from screener.errors import DamagedError
from screener.stores.files import Folder
from screener.stores.lease import Lease
from screener.stores.library import MANIFEST, LibraryStore
from screener.stores.structures import StructureStore
from screener.structures.compact import stores_in


def verify(folder: Folder) -> Iterator[str]:
    """Look at everything in a folder.

    Args:
        folder: of a library with the structures beside it, of a campaign with those that it uses,
            or of structures that libraries share.
    Yields:
        one line per file that is damaged.
    Raises:
        ConfigError: the folder holds none of them, or a campaign that is running.
        StoreError: a file is there and cannot be read.
    """
    if folder.exists(MANIFEST):
        yield from _library(LibraryStore.open(folder.url))
        yield from _all_structures(stores_in(folder.child("structures")))
    elif stores := stores_in(folder):
        yield from _all_structures(stores)
    else:
        yield from _campaign(folder)


def _library(library: LibraryStore) -> Iterator[str]:
    for path, checksum in library.checksums.items():
        where = f"{library.folder.url}/{path}"
        if not library.folder.exists(path):
            yield f"{where} is lost; build the library again"
        elif hashlib.sha256(library.folder.read_bytes(path)).hexdigest() != checksum:
            yield f"{where} was cut off or changed; build the library again"


def _campaign(folder: Folder) -> Iterator[str]:
    campaign = Campaign.open(folder)
    with Lease(folder).held():
        for stage in campaign.stages:
            store = stage.store
            seen: dict[str, str] = {}
            for receipt in store.receipts.all(invalidate_broken=True):
                if receipt.files == seen:  # in the same files as the one before
                    continue
                seen = receipt.files
                for path in receipt.files:
                    try:
                        store.receipts.content(receipt, path)
                    except DamagedError as error:
                        invalidate(campaign, error)
                        yield f"{error}; resume the campaign to have it made again"
        predicting = (stage for stage in campaign.stages if not stage.is_drawn)
        for url in dict.fromkeys(stage.structures.url for stage in predicting):
            yield from _structures(StructureStore(Folder(url)))


def _all_structures(stores: Iterable[StructureStore]) -> Iterator[str]:
    for store in stores:
        yield from _structures(store)


def _structures(store: StructureStore) -> Iterator[str]:
    for unit in chain.from_iterable(store.unit_names()):
        try:
            store.read(unit)
        except DamagedError as error:
            yield f"{error}; a campaign that needs it makes it again"
    for group in store.groups.names():
        for line in store.groups.damaged(group):
            yield f"{line}; a campaign that needs it makes it again"
