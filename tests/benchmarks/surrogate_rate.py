"""Molecules per second of the 2D surrogate on one core, beside RDKit's own fingerprints.

    python tests/benchmarks/surrogate_rate.py --molecules 16384 --training 2500

Molecules of QM9. With parsing: the surrogate's features, made once per molecule and kept, beside a
bare loop that parses and makes the Morgan fingerprint (radius 3, 2048 counts) alone. From kept
features: their projection and the prediction of the mean and all members, by a surrogate fitted to
HOMO, LUMO and dipole of other molecules. The ways take turns; the figures are medians, per second
of wall time and of processor time, and those in time and in processor time beyond the first way in
percent. `bench.py --only features surrogate` is the same.
"""

import argparse
import statistics

import numpy as np
from alternating import Comparison, Variant, compare
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from scene import evenly

from screener.execution.threads import one_thread
from screener.funnel.features import bits_of
from screener.funnel.projection import N_FOR_PROJECTION, Projection
from screener.funnel.settings import SurrogateSettings
from screener.funnel.surrogate import fit_surrogate
from screener.training.qm9 import molecules as qm9

N_MOLECULES, N_TRAINING = 16_384, 2500


def run_features(n_molecules: int, n_rounds: int) -> Comparison:
    """With parsing."""
    smiles = evenly([entry.smiles for entry in qm9.entries()], n_molecules)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=2048)

    def features() -> None:
        assert len(bits_of(smiles)) == len(smiles)

    def morgan() -> None:
        for text in smiles:
            generator.GetCountFingerprint(Chem.MolFromSmiles(text)).GetNonzeroElements()

    variants = [Variant("bare RDKit: parsing and Morgan", morgan), Variant("bits_of()", features)]
    return compare("2D features", len(smiles), variants, n_rounds)


def run_prediction(n_molecules: int, n_rounds: int, n_training: int = N_TRAINING) -> Comparison:
    """From kept features."""
    entries = evenly(list(qm9.entries()), n_molecules + n_training)
    order = np.random.default_rng(0).permutation(len(entries))
    values = np.array(
        [(each.homo_b3lyp_ev, each.lumo_b3lyp_ev, each.dipole_b3lyp_debye) for each in entries]
    )
    bits = bits_of([each.smiles for each in entries])
    fit, others = order[:n_training], bits.take(order[n_training:])
    settings = SurrogateSettings()
    project = Projection.of(bits.take(order[:N_FOR_PROJECTION]), settings.n_dims, seed=0)
    scores = values[fit, 1] - values[fit, 0]
    surrogate = fit_surrogate(project(bits.take(fit)), values[fit], scores, settings, seed=0)
    points = project(others)

    def predict() -> None:
        assert np.isfinite(surrogate.predict(points).members).all()

    def all_of_it() -> None:
        assert np.isfinite(surrogate.predict(project(others)).members).all()

    def projection() -> None:
        assert len(project(others)) == len(others)

    variants = [
        Variant("projection and prediction", all_of_it),
        Variant("projection", projection),
        Variant("prediction", predict),
    ]
    return compare("2D surrogate, kept features", len(others), variants, n_rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--molecules", type=int, default=N_MOLECULES)
    parser.add_argument("--training", type=int, default=N_TRAINING)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    one_thread()
    for comparison in (
        run_features(asked.molecules, asked.rounds),
        run_prediction(asked.molecules, asked.rounds, asked.training),
    ):
        for row, timing in zip(comparison.rows(), comparison.timings, strict=True):
            of_processor = comparison.n_molecules / statistics.median(timing.cpu_seconds)
            _, way, rate, *beyond = row
            print(f"{way}: {rate}/s, {of_processor:,.1f}/s of processor time", *beyond)


if __name__ == "__main__":
    main()
