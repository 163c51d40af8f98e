import numpy as np
import pytest
from rdkit import Chem

from screener.errors import MoleculeError, SchemaError
from screener.funnel.features import Bits, bits_of, joined
from screener.funnel.projection import Projection

SMILES = ["O=C1OCCO1", "CC#N", "COCCOC", "CC(C)(F)C#N", "c1ccncc1", "C[C@H](O)F", "C[C@@H](O)F"]


def dense(bits: Bits) -> np.ndarray:
    return bits.logarithms().toarray()


def test_the_drawing_decides_and_not_the_order_of_its_atoms():
    generator = np.random.default_rng(0)
    for smiles in SMILES:
        mol = Chem.MolFromSmiles(smiles)
        order = generator.permutation(mol.GetNumAtoms()).tolist()
        other = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
        assert (dense(bits_of([smiles])) == dense(bits_of([other]))).all()


def test_isomers_of_the_drawing_differ_and_stereoisomers_do_not():
    rows = dense(bits_of(SMILES))
    equal = [(i, j) for i in range(7) for j in range(i) if (rows[i] == rows[j]).all()]
    assert equal == [(6, 5)]
    propanols = dense(bits_of(["CCCO", "CC(C)O"]))
    assert (propanols[0] != propanols[1]).any()


def test_parts_are_taken_and_joined():
    whole = bits_of(SMILES)
    parts = joined([bits_of(SMILES[:3]), bits_of([]), bits_of(SMILES[3:])])
    for name in ("offsets", "columns", "counts"):
        assert (getattr(whole, name) == getattr(parts, name)).all()
    chosen = whole.take(np.array([4, 0, 4]))
    assert (dense(chosen) == dense(whole)[[4, 0, 4]]).all()
    assert len(whole.take(np.empty(0, np.int64))) == 0


def test_what_is_no_molecule_is_named_and_what_does_not_fit_refused():
    with pytest.raises(MoleculeError, match=r"C1CC\(") as caught:
        bits_of(["CC", "C1CC("])
    assert caught.value.code == "invalid_smiles"
    with pytest.raises(SchemaError, match="offsets"):
        Bits(np.array([0, 5]), np.zeros(3, np.uint16), np.ones(3, np.uint8))
    with pytest.raises(SchemaError, match="another version"):
        Bits(np.array([0, 1]), np.array([60_000], np.uint16), np.ones(1, np.uint8))


def test_a_projection_keeps_distances_and_a_row_depends_on_nothing_else():
    bits = bits_of(SMILES)
    project = Projection.of(bits, 16, seed=0)
    points, rows = project(bits), dense(bits)
    assert points.shape == (7, 7)  # no more directions than molecules
    for i in range(7):
        for j in range(i):
            wanted = np.linalg.norm(rows[i] - rows[j])
            assert np.linalg.norm(points[i] - points[j]) == pytest.approx(wanted, rel=1e-4)
        assert (project(bits.take(np.array([i])))[0] == points[i]).all()
