import numpy as np
import pytest

from screener.errors import ConfigError
from screener.training.tables.options import TableOptions
from screener.training.tables.rows import read_rows, read_texts

GAP = "homo_b3lyp_ev"
TEXT = "id;smiles;energy;split\n007;CCO;-7.5;train\n8;CC#N;+8e0;test\n9;é;NA;train\n\n10;C;;train\n"


def options(path, **more):
    return TableOptions(path=str(path), smiles="smiles", labels={GAP: "energy"}, **more)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", TEXT.encode()),
        ("a.csv", TEXT.encode("utf-8-sig").replace(b"\n", b"\r\n")),
        ("a.csv", ("sep=;\n" + TEXT).encode("utf-16")),
        ("a.csv", TEXT.replace("\n", ";;\r\n").encode("cp1252")),
        ("a.csv", TEXT.replace("\n", "\r").encode("cp1252")),
        ("a.tsv", TEXT.replace(";", "\t").encode()),
    ],
    ids=["semicolons", "mark", "sep", "cells at the end", "returns", "tabs"],
)
def test_rows_of_text_are_those_of_a_library(name, data, tmp_path):
    (tmp_path / name).write_bytes(data)
    rows = read_rows(options(tmp_path / name))
    assert rows.smiles == ("CCO", "CC#N", "é", "C")
    np.testing.assert_equal(rows.labels[GAP], [-7.5, 8.0, np.nan, np.nan])
    chosen = read_rows(options(tmp_path / name, where={"split": "train", "id": "007"}))
    assert (chosen.smiles, chosen.n_left_out) == (("CCO",), 3)
    assert read_texts(str(tmp_path / name), "id", np.array([3, 0])) == ["10", "007"]


def test_what_is_no_number_is_told(tmp_path):
    (tmp_path / "a.csv").write_text("smiles,energy\nC,low\n")
    with pytest.raises(ConfigError, match=r"column energy does not hold numbers: .*low"):
        read_rows(options(tmp_path / "a.csv"))
    (tmp_path / "b.csv").write_bytes(b"smiles,energy\nC,1\nC\x90,2\n")
    with pytest.raises(ConfigError, match="line 3: byte 2 of line 3 is 0x90"):
        read_rows(options(tmp_path / "b.csv"))
