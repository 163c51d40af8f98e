from xml.etree import ElementTree

import pytest

from screener.report.drawing import draw


@pytest.mark.parametrize(
    "smiles", ["O=C1OCCO1", "C[C@@H]1COC(=O)O1", "N#CCCC#N", "FC(F)(F)CO", "C"]
)
def test_draws_shapes_that_follow_the_page(smiles):
    element = ElementTree.fromstring(draw(smiles))
    assert element.tag == "svg"
    assert len(element) > 0
    assert {child.tag for child in element} <= {"path", "ellipse", "polygon", "text"}
    assert "var(--atom" in draw(smiles)
    assert "#000000" not in draw(smiles)


def test_the_same_molecule_gives_the_same_bytes():
    first = draw("COC(=O)OC")
    draw.cache_clear()
    assert draw("COC(=O)OC") == first


def test_what_is_no_smiles_is_not_drawn(capfd):
    assert draw("<script>") == ""
    assert capfd.readouterr().err == ""
