"""How many molecules models can speak about, as far as drawings tell, and why not about others.

Elements, size, charge, open shells and who is bonded to whom are looked at; nothing is embedded or
predicted, so a thousand molecules take about half a second. Distances between environments, which
need structures, can but put more molecules outside: `domain_share` estimates those.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rdkit import Chem, rdBase

from screener.models.bundle_files import read_card
from screener.models.drawing_predictor import drawing_reasons
from screener.models.uncertainty.domain import DomainOfKinds
from screener.stores.library import LibraryStore

MOST = 2_000  # molecules that are looked at
_STRETCH = 100  # rows of a library that are read together, since each reading has its price


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of some molecules lie inside the domain of models."""

    bundles: tuple[str, ...]  # all with the same result
    n_inside: int
    n_molecules: int
    reasons: Mapping[str, int]  # molecules by reason to be outside, the commonest first


def coverage(smiles: Sequence[str], bundles: Sequence[str]) -> list[Coverage]:
    """How many molecules each model can speak about.

    Args:
        smiles: canonical.
        bundles: names of shipped bundles, or folders; only their cards are read.
    Returns:
        one for all models with the same result, in the order of the first.
    Raises:
        ConfigError: there is no such bundle.
        SchemaError: the card of one is broken.
    """
    with rdBase.BlockLogs():
        molecules = [Chem.MolFromSmiles(text) for text in smiles]
    results: dict[tuple[int, tuple[tuple[str, int], ...]], list[str]] = {}
    for bundle in dict.fromkeys(bundles):
        card = read_card(bundle)
        n_inside, reasons = _looked_at(card.domain, smiles, molecules)
        results.setdefault((n_inside, reasons), []).append(card.name)
    return [
        Coverage(tuple(names), n_inside, len(smiles), dict(reasons))
        for (n_inside, reasons), names in results.items()
    ]


def sample(library: LibraryStore) -> list[str]:
    """The SMILES of all molecules of a library, or of `MOST` of them from all over a large one."""
    if library.n_rows <= MOST:
        rows = np.arange(library.n_rows)
    else:
        starts = np.linspace(0, library.n_rows - _STRETCH, MOST // _STRETCH).astype(np.int64)
        rows = np.unique(starts[:, None] + np.arange(_STRETCH))
    smiles: list[str] = library.read_rows(rows, ["smiles"])["smiles"].to_pylist()
    return smiles


def _looked_at(
    domain: DomainOfKinds, smiles: Sequence[str], molecules: Sequence[Chem.Mol | None]
) -> tuple[int, tuple[tuple[str, int], ...]]:
    n_inside, counts = 0, Counter[str]()
    for text, molecule in zip(smiles, molecules, strict=True):
        reasons = drawing_reasons(domain, molecule, is_plain="[" not in text)
        n_inside += not reasons
        counts.update(reasons)
    return n_inside, tuple(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
