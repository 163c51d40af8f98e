"""Having damaged units of a campaign done again."""

from screener.campaign.settings.stage import Campaign
from screener.errors import DamagedError


def invalidate(campaign: Campaign, error: DamagedError) -> None:
    """Have the units of a damaged file done again when the campaign is resumed.

    Only for the owner of the campaign.
    """
    for stage in campaign.stages:
        stage.store.invalidate(error)
