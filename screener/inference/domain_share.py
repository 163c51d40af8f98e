"""Which share of molecules the shipped models know, from a sample made into structures.

Of models at `mmff94` the whole domain is decided. Those at dearer geometries are asked only what
elements, charge, size and bonding say, on the force-field structure; the distances between
environments, which need their own geometries, can but put more molecules outside. So their share is
an upper limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binomtest

from screener.chemistry.standardise import StandardiseSettings, standardise
from screener.chemistry.structures import StructureSettings, make_structure
from screener.errors import MoleculeError
from screener.inference.open_shells import closed_shells_alone
from screener.models.bundle import Bundle, read_bundle
from screener.models.shipped import shipped_bundles
from screener.records import Molecule, Structure

GEOMETRY = StructureSettings()  # of the sample


@dataclass(frozen=True, slots=True)
class DomainShare:
    """How many molecules of a sample lie inside the domain of a model."""

    bundle: str
    n_inside: int
    n_sample: int  # those without a structure count as outside
    is_limit: bool  # at most so many: part of the domain needs another geometry

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval (Wilson 1927) of the share that a sample like this one shows."""
        ends = binomtest(self.n_inside, self.n_sample).proportion_ci(0.95, method="wilson")
        return float(ends.low), float(ends.high)


def domain_shares(smiles: Sequence[str]) -> list[DomainShare]:
    """The share of each shipped model, on one core at some 100 molecules a second.

    Args:
        smiles: a random sample, not empty; open stereocentres are defined as a library does.
    """
    molecules: list[Molecule] = []
    structures: list[Structure] = []
    for text in smiles:
        try:
            molecule = standardise(text, StandardiseSettings())[0]
            structures.append(make_structure(molecule.smiles, molecule.mol_id, GEOMETRY))
        except MoleculeError:
            continue
        molecules.append(molecule)
    shares = []
    for name in shipped_bundles():
        bundle = read_bundle(name)
        is_limit = bundle.card.geometry_level != GEOMETRY.level
        inside = _by_bonding if is_limit else _by_all
        if bundle.card.reads == "drawings":
            is_limit, inside = False, _by_drawing
        shares.append(
            DomainShare(name, inside(bundle, molecules, structures), len(smiles), is_limit)
        )
    return shares


def _by_all(bundle: Bundle, molecules: list[Molecule], structures: list[Structure]) -> int:
    predicted = closed_shells_alone(
        bundle.predict(structures),
        [molecule.smiles for molecule in molecules],
        [molecule.charge for molecule in molecules],
    )
    return sum(predicted["in_domain"].to_pylist())


def _by_drawing(bundle: Bundle, molecules: list[Molecule], structures: list[Structure]) -> int:
    return sum(bundle.predict([each.smiles for each in molecules])["in_domain"].to_pylist())


def _by_bonding(bundle: Bundle, molecules: list[Molecule], structures: list[Structure]) -> int:
    domain = bundle.structure_domain
    return sum(
        not molecule.charge and not domain.reasons(structure)
        for molecule, structure in zip(molecules, structures, strict=True)
    )
