from dataclasses import dataclass

import pyarrow as pa
import pytest

from screener.library.summary import TautomerGroups, tautomer_groups

KEYS = [
    "AAAA-1",
    "BBBB-1",
    "AAAA-1",
    "",
    "",
    "ABBB-2",
    "BBBB-1",
    "AAAA-1",
    "ZZZZ-9",
]


@dataclass
class Keys:
    """Stands in for a library: only its InChIKeys are read."""

    n_rows: int = len(KEYS)

    def read_range(self, start: int, stop: int, columns: list[str]) -> pa.Table:
        assert columns == ["inchikey"]
        return pa.table({"inchikey": KEYS[start:stop]})


@pytest.mark.parametrize("rows_at_once", [100, 5, 1])
def test_groups_do_not_depend_on_how_many_keys_are_held(rows_at_once: int) -> None:
    groups = tautomer_groups(Keys(), 1, rows_at_once)  # type: ignore[arg-type]
    assert groups == TautomerGroups(2, 5, [("AAAA-1", 3)])
