from collections import Counter
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors

from screener.chemistry.coordination import drawn_coordinations
from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.enumeration.seen import EvenSample, Seen
from screener.enumeration.space import make_space
from screener.enumeration.spec import Spec, load_spec, spec_names
from screener.enumeration.stream import Stream
from screener.models.bundle import load_bundle
from screener.registry.elements import G4MP2_ELEMENTS

pytestmark = pytest.mark.slow

SEEDS = ["O=C1OCCO1", "COCCOC", "CCC#N", "CCOC(C)=O", "O=C1CCCO1", "CN(C)C(C)=O"]


def space_of(name, **limits):
    spec = load_spec(name)
    spec = spec.with_limits(limits) if limits else spec
    return make_space(spec, name, SEEDS if spec.mutation else ())


def run(space, limit=1500, seed=0, n_processes=1, n_sample=0):
    stream = Stream(space, seed=seed, limit=limit, n_processes=n_processes, n_sample=n_sample)
    return pa.concat_tables(list(stream)), stream


@cache
def beginning(name):
    space = space_of(name)
    return space, *run(space)


@pytest.fixture(
    params=[
        "battery",
        *(pytest.param(n, marks=pytest.mark.soak) for n in ("reactions", "mutations")),
    ]
)
def shipped(request):
    return beginning(request.param)


def test_every_molecule_is_canonical_once_and_inside_the_limits(shipped):
    space, table, _ = shipped
    limits = space.limits
    smiles = table["smiles"].to_pylist()
    assert len({Chem.CanonSmiles(each) for each in smiles}) == len(smiles) == 1500
    assert [Chem.CanonSmiles(each) for each in smiles] == smiles
    assert len(set(table["id"].to_pylist())) == len(smiles)
    forbidden = [Chem.MolFromSmarts(smarts) for smarts in limits.forbidden.values()]
    for text in smiles:
        molecule = Chem.MolFromSmiles(text)
        assert limits.min_heavy <= molecule.GetNumHeavyAtoms() <= limits.max_heavy
        assert molecule.GetRingInfo().NumRings() <= limits.max_rings
        assert {a.GetSymbol() for a in Chem.AddHs(molecule).GetAtoms()} <= set(limits.elements)
        assert Chem.GetFormalCharge(molecule) == 0
        assert Descriptors.NumRadicalElectrons(molecule) == 0
        assert not any(molecule.HasSubstructMatch(group) for group in forbidden)


def test_a_library_accepts_every_molecule(shipped):
    _, table, _ = shipped
    for text in table["smiles"].to_pylist()[:300]:
        (molecule,) = standardise(text, StandardiseSettings())
        flat = Chem.MolToSmiles(Chem.MolFromSmiles(molecule.smiles), isomericSmiles=False)
        assert flat == Chem.MolToSmiles(Chem.MolFromSmiles(text), isomericSmiles=False)


def test_accounts_add_up(shipped):
    _, table, stream = shipped
    tally = stream.tally
    refused = sum(tally.refused.values())
    assert tally.n_made == len(table) + tally.n_duplicates + refused + tally.n_beyond
    assert Counter(table["family"].to_pylist()) == tally.kept


def test_processes_and_limit_change_nothing(shipped):
    space, table, _ = shipped
    assert run(space, limit=400)[0].equals(table.slice(0, 400))
    # more blocks than are under way at once
    by_two, stream = run(space, limit=1500, n_processes=2)
    assert by_two.equals(table)
    assert stream.tally.ended == "as many as were asked for"


def test_another_seed_gives_another_beginning(shipped):
    space, table, _ = shipped
    other = run(space, limit=400, seed=1)[0]["smiles"].to_pylist()
    assert other != table["smiles"].to_pylist()[:400]


def test_any_beginning_is_spread_over_families_and_scaffolds():
    space, table, _ = beginning("battery")
    fair = 1 / len(space.families)
    for n in (200, 600, 1500):
        kept = Counter(table["family"].to_pylist()[:n])
        assert set(kept) == set(space.families)
        assert 0.5 * fair < min(kept.values()) / n
        assert max(kept.values()) / n < 2 * fair
    siblings = Counter(template.family for template in space.templates)
    scaffolds = Counter(table["scaffold"].to_pylist())
    for template in space.templates:  # however symmetric, and however much of it is refused
        share = scaffolds[template.smiles] / len(table)
        assert share > 0.1 * fair / siblings[template.family], template.smiles


def test_ten_elements_leave_out_no_scaffold():
    space = space_of("battery", elements=G4MP2_ELEMENTS)
    assert not space.left_out
    kept = run(space, limit=500)[1].tally.kept
    assert set(kept) == {each.family for each in load_spec("battery").scaffolds}


SMALL = {
    "limits": {"max_heavy": 9},
    "substituents": {"small": ["[*][H]", "[*]C", "[*]F"]},
    "scaffolds": [
        {"family": "a", "smiles": "O=C1OC([*:1])([*:2])C([*:3])([*:4])O1", "sites": "small"},
        {"family": "b", "smiles": "O=C(OC[*:1])OC[*:2]", "sites": "small"},
    ],
}


def test_a_small_space_is_exhausted_and_is_what_rdkit_counts():
    table, stream = run(make_space(Spec.from_mapping(SMALL, "small"), "small"))
    assert stream.tally.ended == "all draws are done"
    every = set()
    sites = ["", "(C)", "(F)"]
    for a in sites:
        every |= {f"O=C(OC{a})OC{b}" for b in sites}
        for b in sites:
            every |= {f"O=C1OC{a}{b}C{c}{d}O1" for c in sites for d in sites}
    expected = {
        Chem.CanonSmiles(text) for text in every if Chem.MolFromSmiles(text).GetNumHeavyAtoms() <= 9
    }
    assert set(table["smiles"].to_pylist()) == expected
    assert stream.tally.n_duplicates == 0  # symmetry is known beforehand


def test_marks_of_stereo_are_kept_and_others_left_open():
    marked = {
        **SMALL,
        "scaffolds": [{"family": "a", "smiles": "O=C1OC[C@H]([*:1])O1", "sites": "small"}],
    }
    table, _ = run(make_space(Spec.from_mapping(marked, "small"), "small"))
    assert set(table["smiles"].to_pylist()) == {
        Chem.CanonSmiles(text) for text in ("O=C1OCCO1", "O=C1OC[C@H](C)O1", "O=C1OC[C@H](F)O1")
    }


def test_a_stream_that_finds_nothing_more_ends(monkeypatch):
    monkeypatch.setattr("screener.enumeration.stream.BARREN_BLOCKS", 3)
    barren = Spec.from_mapping(
        {
            "limits": {"max_heavy": 4},
            "mutation": {"seeds": ["CC"], "rules": {"m": "[C:1]>>[C:1]F"}},
        },
        "barren",
    )
    table, stream = run(make_space(barren, "barren"))
    assert sorted(table["smiles"].to_pylist()) == ["CC(F)F", "CCF", "FCCF"]
    assert "nothing new" in stream.tally.ended


def test_a_reaction_makes_the_product_that_chemists_expect():
    values = {
        "blocks": {"acids": ["CC(=O)O", "CCC"], "alcohols": ["CO", "OCCO"]},
        "reactions": [
            {
                "family": "ester",
                "name": "esterification",
                "smarts": "[C:1](=[O:2])[OH].[CX4:3][OH:4]>>[C:1](=[O:2])[O:4][C:3]",
                "blocks": ["acids", "alcohols"],
            }
        ],
    }
    table, _ = run(make_space(Spec.from_mapping(values, "ester"), "ester"))
    rows = {row["smiles"]: row for row in table.to_pylist()}
    assert set(rows) == {"COC(C)=O", "CC(=O)OCCO"}
    assert rows["COC(C)=O"]["scaffold"] == "esterification"
    assert rows["COC(C)=O"]["parts"] == "CC(=O)O CO"


def test_seen_knows_what_a_set_knows():
    generator = np.random.default_rng(0)
    seen, known = Seen(), set()
    for size in (100, 1, 0, 5000, 300, 300, 7):
        digests = generator.integers(0, 4000, size).astype(np.uint64)
        expected = []
        for digest in digests.tolist():
            expected.append(digest not in known)
            known.add(digest)
        assert seen.add(digests).tolist() == expected
    assert len(seen) == len(known)


def test_even_sample_is_of_all_and_does_not_depend_on_blocks():
    digests = np.random.default_rng(0).permutation(1000).astype(np.uint64)
    names = [f"m{digest}" for digest in digests.tolist()]
    whole, parts = EvenSample(20), EvenSample(20)
    whole.add(digests, names)
    for start in range(0, 1000, 90):
        parts.add(digests[start : start + 90], names[start : start + 90])
    assert whole.smiles == parts.smiles == [f"m{digest}" for digest in range(20)]


def test_what_ships_has_no_name_twice():
    assert spec_names() == ["battery", "mutations", "reactions"]


def test_what_models_know_is_all_that_is_made():
    """Parts that cannot be in any such molecule are left out beforehand, and nothing else."""
    domain = load_bundle("qm9-mmff94-direct").predictor.domain
    known = domain.known_coordinations
    limits = {"max_heavy": 7}
    free, stream = run(space_of("battery", **limits), limit=10_000)
    assert stream.tally.ended == "all draws are done"
    inside = run(space_of("battery", **limits, coordinations=known), limit=10_000)[0]
    bonding = {
        smiles: drawn_coordinations(Chem.MolFromSmiles(smiles))
        for smiles in free["smiles"].to_pylist()
    }
    assert any("C:C,F,H,H" in each for each in bonding.values())
    expected = {smiles for smiles, each in bonding.items() if each <= known}
    assert set(inside["smiles"].to_pylist()) == expected
    assert 200 < len(expected) < len(bonding)
