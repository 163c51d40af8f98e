"""The one split of QM9 that everything is fitted, chosen, calibrated and tested on.

Molecules that share a connectivity (first block of the InChIKey) never part. The connectivities of
PPE1694 lie in the
test part alone, so that its G4MP2 values stay unseen by every rung of a ladder. The result is
committed with the
project; `screener/data/qm9/make_splits.py` made it.
"""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

SEED = 20191
N_FIT_AND_SELECTION = 117_232  # as many as the reference trained on
N_SELECTION = 2_000
N_CALIBRATION = 5_000
PARTS = ("fit", "selection", "calibration", "test")


def make_splits(
    qm9_index: Sequence[int], connectivity: Sequence[str], reserved: Collection[str]
) -> pd.DataFrame:
    """Part and order of every molecule.

    Args:
        qm9_index: of the molecules that may be used.
        connectivity: first block of each InChIKey.
        reserved: connectivities that may be in the test part alone.
    Returns:
        columns `qm9_index`, `part` (one of `PARTS`), `order` (a random order in which each part is
        drawn on, so that its first n are a fair sample and smaller training sets are nested in
        larger ones) and `reserved` (whether a molecule is in the test part for that reason; the
        rest of the test part is drawn like the calibration part).
    """
    table = pd.DataFrame({"qm9_index": qm9_index, "connectivity": connectivity})
    groups = table.groupby("connectivity", sort=True)["qm9_index"].apply(list)
    shuffled = groups.iloc[np.random.default_rng(SEED).permutation(len(groups))]
    room = {
        "fit": N_FIT_AND_SELECTION - N_SELECTION,
        "selection": N_SELECTION,
        "calibration": N_CALIBRATION,
    }
    rows = []
    for order, (name, members) in enumerate(shuffled.items()):
        fits = (part for part in room if len(members) <= room[part])
        part = "test" if name in reserved else next(fits, "test")
        if part in room:
            room[part] -= len(members)
        rows += [(index, part, order, name in reserved) for index in members]
    columns = ["qm9_index", "part", "order", "reserved"]
    return pd.DataFrame(rows, columns=columns).sort_values("qm9_index", ignore_index=True)
