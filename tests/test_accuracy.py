"""The table of errors is the one that the cards give."""

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "accuracy"


def test_the_table_is_what_the_cards_say():
    spec = importlib.util.spec_from_file_location("make_table", FOLDER / "make_table.py")
    make_table = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_table)
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == make_table.table()
    assert (FOLDER / "learning_curves.svg").exists()
