"""Having damaged units of a campaign done again."""

from screener.campaign.settings.frozen import Setup
from screener.errors import DamagedError
from screener.stores.files import Folder


def forget(folder: Folder, setup: Setup, error: DamagedError) -> None:
    """Have the units of a damaged file done again when the campaign is resumed.

    Only for the owner of the campaign.
    """
    for index in range(len(setup.stages)):
        setup.store(folder, index).forget(error)
