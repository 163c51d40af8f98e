from screener.registry.columns import column
from screener.stores.domain_reasons import in_words, reasons_in
from screener.stores.refused import (
    impossible,
    refusals_of,
    refused_columns,
    too_uncertain,
    without_refusals,
)

DIPOLE, GAP = column("dipole_b3lyp_debye"), column("gap_b3lyp_ev")
FAR = "surroundings of a hydrogen atom are unlike the training molecules' (distance 14, limit 13)"


def test_sentences_are_found_again_among_others():
    wide, never = too_uncertain(DIPOLE, 12.3, 4.5), impossible(GAP, -2.0, -1.0)
    text = "; ".join([FAR, wide, never])
    assert refused_columns(text) == {DIPOLE.name, GAP.name}
    assert refused_columns(FAR) == refused_columns("") == frozenset()
    assert refusals_of(text, [DIPOLE.name]) == wide
    assert without_refusals(text, [DIPOLE.name]) == f"{FAR}; {never}"
    assert without_refusals(text, [DIPOLE.name, GAP.name]) == FAR
    assert in_words(wide) == "dipole_b3lyp_debye is too uncertain"
    assert [each.numbers for each in reasons_in(f"{wide}; {never}")] == [
        {"width": 12.3, "limit": 4.5},
        {"low": -2.0, "high": -1.0, "bound": 0.0},
    ]
