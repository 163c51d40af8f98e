"""Structures are made once, found again, and a molecule that fails keeps its reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from screener.chemistry.identity import mol_id
from screener.chemistry.structures import StructureSettings
from screener.errors import MoleculeError, StoreError
from screener.records import Receipt, Structure
from screener.stores.files import Folder
from screener.stores.runs import runs_of
from screener.stores.structures import StructureStore
from screener.structures.missing import StructureHints, make_missing, read_structures

SMILES = ["O=C1OCCO1", "COC(=O)OC", "CC#N", "COCCOC", "C1CCOC1"]
IMPOSSIBLE = "CC1([C@H]2CC[C@]1(C(=O)C2)C)C"  # camphor with its bridge inside out


def make(store, rows, smiles, hints=()):
    ids = [mol_id(text) for text in smiles]
    return make_missing(
        store, "d", StructureSettings(), np.array(rows), ids, smiles, hints, wall_clock_seconds=60.0
    )


@pytest.fixture
def store(tmp_path):
    return StructureStore(Folder(str(tmp_path)))


def test_only_what_is_missing_is_made(store):
    first = make(store, [0, 1, 2], SMILES[:3])
    again = make(store, [0, 1, 2], SMILES[:3], first.units)
    more = make(store, [1, 2, 3, 4], SMILES[1:], first.units)
    assert (first.n_made, again.n_made, more.n_made) == (3, 0, 2)
    assert again.units == first.units
    assert len(store.receipts.done()) == 2
    found = read_structures(store, more.units, np.array([4, 1]))
    assert [structure.n_atoms for structure in found] == [13, 12]


def test_an_attempt_that_came_this_far_is_not_repeated(store):
    first = make(store, [0, 1], SMILES[:2])
    (name,) = first.units
    before = store.folder.read_bytes(f"receipts/{name}.json")
    again = make(store, [0, 1], SMILES[:2])  # without the hint, as after a lost worker
    assert again.units == first.units
    assert store.folder.read_bytes(f"receipts/{name}.json") == before


def test_a_failure_comes_back_with_its_reason(store):
    made = make(store, [5, 6], ["CC#N", IMPOSSIBLE])
    structure, error = read_structures(store, made.units, np.array([5, 6]))
    assert isinstance(structure, Structure)
    assert isinstance(error, MoleculeError)
    assert error.code
    assert error.message


def test_a_missing_row_is_an_error(store):
    made = make(store, [0], SMILES[:1])
    with pytest.raises(StoreError, match="no structure of row 9"):
        read_structures(store, made.units, np.array([0, 9]))


@given(
    units=st.lists(st.sets(st.integers(0, 60), min_size=1, max_size=12), max_size=8),
    rows=st.sets(st.integers(0, 70), min_size=1, max_size=12),
)
def test_hints_name_every_unit_that_holds_a_row(units, rows):
    receipts = [
        Receipt(
            f"u{index}",
            "structures",
            {},
            {},
            0.0,
            {"ranges": [list(run) for run in runs_of(np.array(sorted(held)))]},
        )
        for index, held in enumerate(units)
    ]
    hints = StructureHints.of(receipts)
    wanted = runs_of(np.array(sorted(rows)))
    assert hints.touching(wanted) == tuple(
        f"u{index}" for index, held in enumerate(units) if held & rows
    )
