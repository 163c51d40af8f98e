"""Scores of rows by what is stored of them."""

import numpy as np
from numpy.typing import NDArray

from screener.campaign.settings.stage import CampaignStage

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def scores_of(stage: CampaignStage, rows: IntArray) -> FloatArray:
    """Scores of rows by their stored predictions, NaN for those that are no candidates.

    Args:
        stage: that has these rows; the campaign's acquisition decides.
        rows: int64 (n,).
    Returns:
        float64 (n,), in their order.
    """
    ascending = np.sort(rows)
    scores = np.full(len(rows), np.nan)
    for table in stage.tables(ascending):
        if table.num_rows:
            places = np.searchsorted(ascending, table["row"].to_numpy())
            scores[places] = stage.row_status(table, stage.setup.acquisition).score
    return scores[np.searchsorted(ascending, rows)]
