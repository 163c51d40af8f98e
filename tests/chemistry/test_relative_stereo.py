import pytest

from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.errors import MoleculeError
from screener.records import Molecule


def read(text: str, n_isomers: int = 0) -> list[Molecule]:
    return standardise(text, StandardiseSettings(enumerate_stereo=n_isomers))


@pytest.mark.parametrize("group", ["&1:1", "o1:1"])
def test_a_group_of_one_centre_is_an_open_centre(group: str) -> None:
    (open_,) = read("CC(F)Cl")
    for drawn in ("C[C@H](F)Cl", "C[C@@H](F)Cl"):
        assert read(f"{drawn} |{group}|") == [open_]
    assert len(read(f"C[C@H](F)Cl |{group}|", 4)) == 2


def test_absolute_centres_stay() -> None:
    (drawn,) = read("C[C@@H](F)Cl")
    assert drawn.n_undefined_stereo == 0
    for flag in ("a:1", "r"):
        assert read(f"C[C@@H](F)Cl |{flag}|") == [drawn]
    (half_open,) = read("C[C@H](F)[C@H](C)Cl |a:1,&1:3|")
    assert half_open.n_undefined_stereo == 1
    first = {molecule.smiles for molecule in read("C[C@H](F)C(C)Cl", 4)}
    assert half_open.smiles in first


@pytest.mark.parametrize("group", ["&1:1,3", "o1:1,3"])
def test_a_group_of_two_centres_keeps_what_they_are_to_one_another(group: str) -> None:
    (like,) = read(f"C[C@H](F)[C@H](C)Cl |{group}|")
    assert read(f"C[C@@H](F)[C@@H](C)Cl |{group}|") == [like]  # the mirror image
    (unlike,) = read(f"C[C@H](F)[C@@H](C)Cl |{group}|")
    assert unlike.mol_id != like.mol_id
    assert like.n_undefined_stereo == 1
    both = read(f"C[C@H](F)[C@H](C)Cl |{group}|", 4)
    assert both[0] == like
    assert {each.smiles for each in both} == {
        read(drawn)[0].smiles for drawn in ("C[C@H](F)[C@H](C)Cl", "C[C@@H](F)[C@@H](C)Cl")
    }


def test_five_groups_are_too_many() -> None:
    smiles = "".join("C[C@H](F)[C@H](Cl)" for _ in range(5)) + "C"
    groups = ",".join(f"&{k + 1}:{5 * k + 1},{5 * k + 3}" for k in range(5))
    with pytest.raises(MoleculeError, match="draw the isomer") as caught:
        read(f"{smiles} |{groups}|")
    assert caught.value.code == "relative_stereo"
