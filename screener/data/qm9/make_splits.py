"""Make `splits.parquet`: which part of QM9 each molecule belongs to.

Needs `qm9pack` and, for the connectivities that must stay unseen, the reference data in the folder
that `SCREENER_REFERENCE_DATA` names. Restores the stereochemistry of all of QM9 first, or takes it
from `$SCREENER_HOME` where that is done.
"""

import os
from pathlib import Path

import pandas as pd
import pyarrow as pa

from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.training.qm9.committed import to_compact_parquet
from screener.training.qm9.labels import restore_all
from screener.training.splits import PARTS, make_splits

if __name__ == "__main__":
    reference = Path(os.environ["SCREENER_REFERENCE_DATA"]) / "ppe1694_g4mp2.parquet"
    ppe1694 = pd.read_parquet(reference, columns=["inchikey"])["inchikey"].dropna()
    with connect(LocalSettings()) as client:
        molecules = restore_all(client, lambda n: None)
    usable = molecules[molecules["aside"] == ""]
    splits = make_splits(
        usable["qm9_index"].tolist(),
        usable["inchikey"].str[:14].tolist(),
        set(ppe1694.str[:14]),
    )
    table = pa.table(
        {
            "qm9_index": pa.array(splits["qm9_index"], pa.int32()),
            "part": pa.DictionaryArray.from_arrays(
                pa.array([PARTS.index(part) for part in splits["part"]], pa.int8()), list(PARTS)
            ),
            "order": pa.array(splits["order"], pa.int32()),
            "reserved": pa.array(splits["reserved"], pa.bool_()),
        }
    )
    Path(__file__).with_name("splits.parquet").write_bytes(to_compact_parquet(table))
    print(splits["part"].value_counts())
