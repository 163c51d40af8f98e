"""Ions and radicals are out of domain for every model, and change nothing for the others."""

import pyarrow as pa
import pytest

from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings, make_structure
from screener.inference.model import Model
from screener.inference.table import predictions
from screener.models.bundle import load_bundle
from screener.ranking.objectives import RankingSettings, parse_objective
from screener.ranking.row_status import row_status
from screener.stores.library import STANDARD_SCHEMA

NEUTRAL = ["CC#N", "COC(C)=O"]
ACETATE, ETHYL, METHOXIDE_RADICAL = "CC(=O)[O-]", "C[CH2]", "[CH2][O-]"
SETTINGS = StandardiseSettings(allow_charged=True, allow_radicals=True)
ION = "has a charge of -1, and the models know only neutral molecules"
RADICAL = "has unpaired electrons, and the models know only closed shells"


def predicted(bundle, level, smiles):
    molecules = [standardise(text, SETTINGS)[0] for text in smiles]
    rows = [
        {"row": row, "source_id": "", "smiles_input": molecule.smiles, **molecule._asdict()}
        for row, molecule in enumerate(molecules)
    ]
    geometry = StructureSettings(level=level)
    return predictions(
        pa.Table.from_pylist(rows, schema=STANDARD_SCHEMA),
        [make_structure(molecule.smiles, molecule.mol_id, geometry) for molecule in molecules],
        load_bundle(bundle),
        {},
        value_columns=(),
    )


def test_nothing_of_ions_and_radicals_is_predicted_or_ranked(tiny_bundles):
    smiles = [NEUTRAL[0], ACETATE, ETHYL, METHOXIDE_RADICAL, NEUTRAL[1]]
    table = predicted(tiny_bundles.direct, "mmff94", smiles)
    assert table["in_domain"].to_pylist() == [True, False, False, False, True]
    reasons = table["domain_reasons"].to_pylist()
    assert reasons[1].startswith(ION)
    assert reasons[2].startswith(RADICAL)
    assert reasons[3].startswith(f"{ION}; {RADICAL}")
    for name in table.column_names:
        if "b3lyp" in name:
            found = [value is None for value in table[name].to_pylist()]
            assert found == [False, True, True, True, False]
    asked = RankingSettings(objectives=(parse_objective("minimise:homo_b3lyp_ev"),))
    status = row_status(table, asked)
    assert status.counts == {"out_of_domain": 3, "filtered": 0, "candidates": 2}
    assert (status.outside[ION], status.outside[RADICAL]) == (2, 2)
    alone = predicted(tiny_bundles.direct, "mmff94", NEUTRAL)
    kept = table.take([0, 4]).combine_chunks()
    assert kept.drop_columns("row") == alone.drop_columns("row")


def test_a_delta_model_keeps_the_low_values_of_an_ion(tiny_bundles):
    table = predicted(tiny_bundles.delta, "gfn2-opt", [ACETATE])
    (row,) = table.to_pylist()
    assert row["domain_reasons"].startswith(ION)
    assert (row["homo_b3lyp_ev"], row["homo_b3lyp_ev_delta"]) == (None, None)
    assert row["homo_gfn2_ev"] == pytest.approx(-4.2, abs=0.5)  # loosely bound, as of an anion


def test_a_model_refuses_them_from_smiles_alike(tiny_bundles):
    frame = Model(tiny_bundles.direct).predict([NEUTRAL[0], ACETATE], SETTINGS)
    assert frame["in_domain"].tolist() == [True, False]
    assert frame["domain_reasons"][1].startswith(ION)
    assert frame["homo_b3lyp_ev"].notna().tolist() == [True, False]
