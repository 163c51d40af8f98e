"""Scores of rows by what is stored of them."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from screener.campaign.settings.frozen import Setup, stage_plan
from screener.ranking.row_status import judge
from screener.stores.files import Folder

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def scores_of(folder: Folder, setup: Setup, index: int, rows: IntArray) -> FloatArray:
    """Scores of rows by their stored predictions, NaN for those that are no candidates.

    Args:
        folder: of the campaign.
        setup: the campaign; its acquisition decides.
        index: of a stage that has these rows.
        rows: int64 (n,).
    Returns:
        float64 (n,), in their order.
    """
    plan = stage_plan(folder, setup, index)
    assert plan is not None
    ascending = np.sort(rows)
    found = np.full(len(rows), np.nan)
    store = setup.store(folder, index)
    for unit in store.stored(plan.places(plan.holding(ascending))):
        table = unit.predictions.filter(
            pc.is_in(unit.predictions["row"], pa.array(ascending, pa.int64()))
        )
        if table.num_rows:
            places = np.searchsorted(ascending, table["row"].to_numpy())
            found[places] = judge(table, setup.acquisition).score
    return found[np.searchsorted(ascending, rows)]
