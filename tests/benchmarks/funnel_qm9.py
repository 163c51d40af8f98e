"""How many of QM9's best a search finds that evaluates a small part, by QM9's own B3LYP values.

    python tests/benchmarks/funnel_qm9.py --share 0.05 --seeds 0 1 2 3 4 5 6 7 8 9
    python tests/benchmarks/funnel_qm9.py --pretrained --seeds 0 1 2

Objectives: the largest gap, the lowest HOMO, and z(LUMO) - z(HOMO) + 0.5 z(dipole). Everything that
is evaluated counts: the first sample, exploration and the audit. Nothing is trained beforehand.
With `--pretrained`, what is searched is QM9 without 50,000 molecules, drawn at random by seed as
whole groups of one first block of the InChIKey, and the surrogate knows those from the beginning.
Prints the recall of the best 1,000 of what is searched and the interval that the search states
itself.
"""

import argparse
import time

import numpy as np
from rdkit import Chem, rdBase

from screener.execution.threads import one_thread
from screener.funnel.features import Bits, bits_of
from screener.funnel.in_memory import InMemory, Known
from screener.funnel.prediction import Scorer
from screener.funnel.search import Search
from screener.funnel.settings import AcquisitionSettings, SearchSettings
from screener.training.qm9.molecules import entries

TOP = 1000
N_KNOWN = 50_000  # with --pretrained
OBJECTIVES = ("gap", "homo", "window")


def read() -> tuple[list[str], Bits, np.ndarray]:
    """SMILES of QM9's molecules, their features, and HOMO, LUMO (eV) and dipole (debye)."""
    smiles, values = [], []
    for entry in entries():
        smiles.append(entry.smiles)
        values.append((entry.homo_b3lyp_ev, entry.lumo_b3lyp_ev, entry.dipole_b3lyp_debye))
    started = time.perf_counter()
    bits = bits_of(smiles)
    print(
        f"{len(bits)} molecules, features of {len(bits) / (time.perf_counter() - started):.0f}/s, "
        f"{bits.n_bytes / len(bits):.0f} bytes each",
        flush=True,
    )
    return smiles, bits, np.array(values)


def connectivities(smiles: list[str]) -> np.ndarray:
    """A number for each molecule, equal where the InChIKeys share their first block."""
    with rdBase.BlockLogs():
        keys = [Chem.MolToInchiKey(Chem.MolFromSmiles(each)) for each in smiles]
    found: np.ndarray = np.unique([key[:14] for key in keys], return_inverse=True)[1]
    return found


def parted(groups: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of whole groups drawn at random, at least n in all, and the other rows."""
    order = np.random.default_rng(seed).permutation(groups.max() + 1)
    n_groups = np.searchsorted(np.cumsum(np.bincount(groups)[order]), n) + 1
    is_drawn = np.isin(groups, order[:n_groups])
    return np.flatnonzero(is_drawn), np.flatnonzero(~is_drawn)


def scorer(objective: str, values: np.ndarray):
    """Makes scores of quantities; the scales are those of the whole library."""
    mean, std = values.mean(axis=0), values.std(axis=0)

    def score(quantities: np.ndarray) -> np.ndarray:
        homo, lumo, _ = quantities.T
        if objective == "gap":
            return lumo - homo
        if objective == "homo":
            return -homo
        z = (quantities - mean) / std
        return z[:, 1] - z[:, 0] + 0.5 * z[:, 2]

    return score


def carried_out(
    bits: Bits, values: np.ndarray, score, settings: SearchSettings, before: Known | None
) -> Search:
    """A search from beginning to end."""
    mol_ids = [f"{row:08d}" for row in range(len(bits))]
    candidates = InMemory(bits, mol_ids, Scorer(score), settings, before)
    search = Search(candidates, settings, len(bits), is_trained=before is not None)
    while batch := search.ask():
        candidates.tell(batch.rows, values[batch.rows])
        search.tell(batch, score(values[batch.rows]))
    return search


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--pretrained", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument("--rule", choices=["greedy", "ucb", "thompson"], default="greedy")
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--exploration", type=float, default=0.05)
    parser.add_argument("--audit", type=float, default=0.2)
    parser.add_argument("--first", type=float, default=0.2)
    asked = parser.parse_args()
    one_thread()
    smiles, bits, values = read()
    groups = connectivities(smiles) if asked.pretrained else np.arange(len(bits))
    for objective in asked.objectives:
        score = scorer(objective, values)
        found = []
        for seed in asked.seeds:
            started = time.perf_counter()
            known, rows = parted(groups, N_KNOWN, seed) if asked.pretrained else (None, groups)
            before = None if known is None else Known(bits.take(known), values[known])
            settings = SearchSettings(
                budget=round(asked.share * len(rows)),
                top_n=TOP,
                seed=seed,
                n_batches=asked.batches,
                initial_fraction=asked.first,
                audit=asked.audit,
                acquisition=AcquisitionSettings(rule=asked.rule, exploration=asked.exploration),
            )
            search = carried_out(bits.take(rows), values[rows], score, settings, before)
            best = np.argsort(-score(values[rows]), kind="stable")[:TOP]
            recall = np.isin(best, search.rows).mean()
            said = search.recall()
            found.append((recall, said.low <= recall <= said.high, said.high - said.low))
            print(
                f"{objective} seed {seed}: {recall:.3f}, said {said.recall:.3f} "
                f"({said.low:.3f}-{said.high:.3f}), {len(search.rows)} of {len(rows)} in "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )
        recalls, covered, widths = (
            np.array(column, dtype=float) for column in zip(*found, strict=True)
        )
        print(
            f"{objective}, {asked.share:.0%} evaluated, {len(found)} seeds: recall "
            f"{recalls.mean():.3f}; intervals hold {covered.sum():.0f} times, "
            f"mean width {widths.mean():.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
