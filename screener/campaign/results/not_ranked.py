"""What is said where somebody wants the shortlist of a campaign that has none yet."""

from screener.campaign.results.status import status
from screener.stores.files import Folder


def no_shortlist(folder: Folder) -> str:
    """That a campaign has no shortlist yet, how far it is, and what to do.

    Args:
        folder: of the campaign.
    Raises:
        ConfigError: there is no campaign in the folder.
        StoreError: a receipt is broken.
    """
    now = status(folder)
    stage = next((each for each in now.stages if not each.is_finished), None)
    far = "all stages are done, and they are not ranked"
    if stage is not None:
        far = f"stage {stage.name} has {stage.n_rows_done:,} of {stage.n_rows:,} rows done"
    what = "resume it with `screener screen`, or with `Campaign.run` in Python"
    if now.runner is not None:
        what = f"process {now.runner.pid} on {now.runner.host} is running it, so wait for that"
    return f"{folder.url} has no shortlist yet: {far}; {what}"
