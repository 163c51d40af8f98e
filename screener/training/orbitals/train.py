"""The shipped bundle of HOMO, LUMO, gap and dipole moment, from structures of AIMNet2.

Its networks come in groups. All have learned the molecules of QM9, and each group those of the
other sets but for one fold, so that a fold is predicted, and its errors are told, by networks that
have not seen it. What is predicted in the end is the mean of all networks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from screener.execution.threads import one_thread
from screener.models.fchl.inducing import Inducing
from screener.models.raw_predictions import RawPredictions
from screener.models.readout.inputs import Inputs
from screener.models.readout.model import Projector, ReadoutModel
from screener.models.shipped import ORBITALS_BY_AIMNET2
from screener.models.targets import Target, Targets, targets_of
from screener.models.uncertainty.domain import heavy_atoms
from screener.models.uncertainty.known_atoms import KnownAtoms
from screener.records import Structure
from screener.registry.columns import column
from screener.training.bootstrap import as_metrics, coverage, figure
from screener.training.evaluate import Metrics, held_out
from screener.training.fit.calibrate import FittedModel, Growth, calibrated
from screener.training.fit.data import FitData, FitSets
from screener.training.fit.readout import (
    NAME,
    ReadoutFitSettings,
    fit_projector,
    inputs_of,
    known_atoms,
    trained,
)
from screener.training.fit.save import save_bundle
from screener.training.g4mp2.nested import folds_of
from screener.training.orbitals.held import Held, half_widths
from screener.training.orbitals.molecules import (
    BATTERY,
    COLUMNS,
    PPE,
    OtherMolecules,
    other_molecules,
    qm9_molecules,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEVEL = "aimnet2-opt"
N_CONFORMERS = 10  # embedded where structures are made from SMILES
N_QM9 = {"fit": 30_000, "selection": 600, "calibration": 600, "test": 2_500}
N_FROM_SMILES = 1_000  # of the test part
N_FOLDS, PER_FOLD = 4, 3  # groups of networks, and networks of a group
N_COPIES = 6  # how often a molecule that is not of QM9 is met for once that one of QM9 is
# how often a battery-like one counts where the size of errors is told: campaigns are of such
N_COUNTED = 10
SEED = 0
SETTINGS = ReadoutFitSettings(
    max_heavy=16, min_seen=2, by_bonds=True, n_members=N_FOLDS * PER_FOLD, n_hidden=64, seed=SEED
)
N_GOLDEN = 6
FEWEST_OF_A_CLASS = 10  # molecules that errors are given for
OUT_OF_FOLD = "cross-validation by connectivity"
AT_B3LYP, FROM_SMILES = "QM9, test, at B3LYP geometries", "QM9, test, from SMILES alone"
SIZES = {"up to 9": (1, 9), "10 and more": (10, 99)}  # heavy atoms
LABELS = {
    "QM9": "B3LYP/6-31G(2df,p), doi:10.1038/sdata.2014.22, by the package qm9pack",
    PPE: "the same level by PySCF at the published geometries, screener/data/b3lyp/ppe1694.parquet",
    BATTERY: "the same at the minima of AIMNet2, screener/data/b3lyp/battery.parquet",
}


def train_orbitals(out: Path) -> Metrics:
    """Fit, calibrate, judge and write the bundle.

    Args:
        out: folder for the bundle.
    Returns:
        the errors of cross-validation on battery-like molecules.
    Raises:
        ConfigError, SchemaError: labels or reference data are missing or broken.
    """
    one_thread()
    targets = orbital_targets()
    others = other_molecules()
    folds = folds_of(np.unique(others.graphs, return_inverse=True)[1], N_FOLDS, SEED)
    qm9 = {
        part: qm9_molecules(part, n, besides=others.graphs.tolist() if part == "fit" else ())
        for part, n in N_QM9.items()
    }
    from_smiles = qm9_molecules("test", N_FROM_SMILES, kind=LEVEL)
    n_qm9 = len(qm9["fit"])
    fit = joined(qm9["fit"], others.data)
    projector = fit_projector(fit.structures, SETTINGS)
    inputs = inputs_of(fit.structures, projector, SETTINGS.device)
    own = n_qm9 + np.arange(len(folds))  # rows of the others
    met = np.concatenate([np.arange(n_qm9), np.tile(own, N_COPIES)])
    network, scale = trained(
        inputs.rows(met),
        fit.targets(targets)[met],
        targets,
        torch.from_numpy(_seen(n_qm9, folds)[met]),
        SETTINGS,
        N_FOLDS,
    )

    of_parts = {
        part: inputs_of(qm9[part].structures, projector, SETTINGS.device)
        for part in ("selection", "calibration")
    }
    selection, ranked = (
        Held.of(network, scale, made, qm9[part].targets(targets), _taking_turns(len(qm9[part])))
        for part, made in of_parts.items()
    )
    unseen = Held.of(network, scale, inputs.rows(own), others.data.targets(targets), folds)
    counted = _counted(others)
    spreads = selection.joined(unseen.rows(counted)).spreads()
    known = known_atoms(inputs, projector, scale.elements, SEED)
    whole = ranked.joined(unseen.rows(counted))
    far = _unseen_distances(inputs, own, folds, projector, scale.elements)
    raw = RawPredictions(
        whole.values,
        whole.spread(spreads),
        np.concatenate(
            [*_distances(of_parts["calibration"], known, projector), *(far[row] for row in counted)]
        ),
        np.concatenate([[0], np.cumsum([each.n_atoms for each in whole.structures])]),
    )
    model = ReadoutModel(network, scale, spreads, projector, known)
    sets = FitSets(
        fit,
        qm9["selection"],
        joined(qm9["calibration"], others.data.subset(counted)),
        targets,
        LEVEL,
    )
    predictor = calibrated(NAME, model, raw, sets, Growth.none(targets), SETTINGS)
    fitted = FittedModel(predictor, {"settings": SETTINGS.model_dump(mode="json")}, sets.elements)
    judged = _judged(selection, ranked, unseen, folds, others, targets)
    metrics: dict[str, Any] = {f"{OUT_OF_FOLD}: {name}": errors for name, errors in judged.items()}
    metrics[AT_B3LYP] = held_out(predictor, qm9["test"])
    metrics[FROM_SMILES] = held_out(predictor, from_smiles)
    is_battery = np.flatnonzero(others.sources == BATTERY)
    save_bundle(
        out,
        fitted,
        name=ORBITALS_BY_AIMNET2,
        n_conformers=N_CONFORMERS,
        data={
            "labels": LABELS,
            "values": "at the geometry that is given: of AIMNet2's minima, not of B3LYP's own",
            "n": len(fit),
            "molecules": {
                **{f"QM9, {part}": len(each) for part, each in qm9.items()},
                **{each: int((others.sources == each).sum()) for each in (PPE, BATTERY)},
            },
            "n_failed": others.n_failed,
        },
        splits={
            "QM9": "by first block of the InChIKey, screener/data/qm9/splits.parquet",
            "others": "by SMILES without stereochemistry; of these none is among QM9's fit part",
            "folds": N_FOLDS,
            "calibration": "QM9's part, and all others by the networks that have not seen them; of "
            f"these a battery-like molecule counts {N_COUNTED} times",
        },
        seeds={"folds": SEED, "fit": SEED},
        metrics=metrics,
        golden=others.data.subset(is_battery[:N_GOLDEN]).structures,
        zero_point="",
    )
    return judged[BATTERY]


def orbital_targets() -> Targets:
    """Orbital energies are added to those of GFN2; dipole moments are of AIMNet2's charges, which
    are better than those of GFN2."""
    listed = targets_of([column(name) for name in COLUMNS], "gfn2").all
    return Targets(
        Target(each.column, None if each.column.quantity.is_moment else each.low, each.difference)
        for each in listed
    )


def joined(one: FitData, other: FitData) -> FitData:
    """Both sets, one after the other."""
    high = {name: np.concatenate([values, other.high[name]]) for name, values in one.high.items()}
    return FitData([*one.structures, *other.structures], high)


def _seen(n_qm9: int, folds: IntArray) -> FloatArray:
    """How much each molecule counts for each network: those of QM9 for all, others for those of
    other groups."""
    group = np.arange(N_FOLDS).repeat(PER_FOLD)
    others = (folds[:, None] != group) * (N_FOLDS / (N_FOLDS - 1))
    return np.concatenate([np.ones((n_qm9, len(group))), others])


def _taking_turns(n: int) -> IntArray:
    """A group (n,) for each of some molecules that no group has seen."""
    return np.arange(n) % N_FOLDS


def _counted(others: OtherMolecules) -> IntArray:
    """Rows of the others, each as often as its errors count."""
    return np.repeat(
        np.arange(len(others.sources)), np.where(others.sources == BATTERY, N_COUNTED, 1)
    )


def _distances(inputs: Inputs, known: Inducing, projector: Projector) -> Iterator[FloatArray]:
    """Of the atoms of each molecule from the known ones."""
    nearest = KnownAtoms(known)
    for structure, own in zip(inputs.structures, inputs.inputs, strict=True):
        yield nearest.distances(structure.atomic_numbers, projector.leading(own))


def _unseen_distances(
    inputs: Inputs,
    own: IntArray,
    folds: IntArray,
    projector: Projector,
    elements: tuple[int, ...],
) -> list[FloatArray]:
    """The same of molecules that are not of QM9, from what is known without their fold."""
    found: dict[int, FloatArray] = {}
    for fold in range(N_FOLDS):
        others = np.delete(np.arange(len(inputs.structures)), own[folds == fold])
        known = known_atoms(inputs.rows(others), projector, elements, SEED)
        places = np.flatnonzero(folds == fold)
        parts = _distances(inputs.rows(own[places]), known, projector)
        found.update(zip(places.tolist(), parts, strict=True))
    return [found[place] for place in range(len(folds))]


def _judged(
    selection: Held,
    ranked: Held,
    unseen: Held,
    folds: IntArray,
    others: OtherMolecules,
    targets: Targets,
) -> dict[str, Metrics]:
    """Errors of molecules that are not of QM9, with intervals that do not know their fold."""
    true = targets.with_differences(dict(others.data.high))
    errors = targets.values(unseen.errors)
    values = {name: true[name] + errors[name] for name in true}
    widths = {each.name: np.empty(len(folds)) for each in targets.all}
    counted = _counted(others)
    for fold in range(N_FOLDS):
        rest = unseen.rows(counted[folds[counted] != fold])
        asked = unseen.rows(np.flatnonzero(folds == fold))
        found = half_widths(selection.joined(rest), ranked.joined(rest), asked, targets)
        for name, own in found.items():
            widths[name][folds == fold] = own
    result: dict[str, Metrics] = {}
    for title, some in _classes(unseen.structures, others).items():
        if some.sum() < FEWEST_OF_A_CLASS:
            continue
        result[title] = {
            name: as_metrics(
                figure(errors[name][some]),
                coverage(
                    values[name][some],
                    true[name][some],
                    (values[name] - width)[some],
                    (values[name] + width)[some],
                ),
            )
            | {"median_width90": float(np.median(2.0 * width[some]))}
            for name, width in widths.items()
        }
    return result


def _classes(
    structures: Sequence[Structure], others: OtherMolecules
) -> dict[str, NDArray[np.bool_]]:
    """Molecules that figures are given for, by where they are from and what they are."""
    n_heavy = np.array([heavy_atoms(each) for each in structures])
    classes = {}
    for source in (BATTERY, PPE):
        own = others.sources == source
        classes[source] = own
        for name, (least, most) in SIZES.items():
            classes[f"{source}, {name} heavy atoms"] = own & (n_heavy >= least) & (n_heavy <= most)
    for kind in sorted(set(others.classes) - {""}):
        classes[f"{BATTERY}, {kind}"] = others.classes == kind
    return classes


TRAINERS: Mapping[str, Callable[[Path], Metrics]] = {ORBITALS_BY_AIMNET2: train_orbitals}
