"""Fitting networks that read quantities off AIMNet2's features.

AIMNet2's own weights stay as they are, so its features are made once and training takes minutes.
"""

import logging
from collections.abc import Sequence
from math import cos, pi

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from screener.models.baseline import Scale, composition, fit_baseline
from screener.models.fchl.inducing import Inducing, choose_inducing
from screener.models.fchl.projection import Projected
from screener.models.readout.evaluator import ReadoutEvaluator, member_stds, members_of
from screener.models.readout.inputs import Featuriser, Inputs
from screener.models.readout.model import Projector, ReadoutModel
from screener.models.readout.network import Kind, Readout, ReadoutSettings, atoms_of
from screener.models.targets import Target, Targets
from screener.models.uncertainty.spread import features as told_of
from screener.potentials.aimnet2.potential import AimNet2
from screener.records import Structure
from screener.training.fit.calibrate import FittedModel, Growth, calibrated
from screener.training.fit.data import FitSets, LimitSettings
from screener.training.fit.loss_weights import loss_weights_of
from screener.training.fit.schnet_training import halves
from screener.training.fit.spread import fit_spreads
from screener.units import ANGSTROM_PER_BOHR, DEBYE_PER_ATOMIC_UNIT

log = logging.getLogger(__name__)

FloatArray = NDArray[np.float64]

NAME = "aimnet2-readout"  # of this type of model
CHUNK = 512  # molecules whose features are made at once
WARM_UP = 0.1  # share of all steps until the learning rate is reached; a cosine follows
LARGEST_GRADIENT = 1.0  # norm beyond which a step's gradient is shortened
LINEAR_BEYOND = 0.1  # standardised error from which the loss is no square
SHARE_ROWS = 32  # atoms of a minibatch are padded to a multiple
N_KNOWN = 1_500  # atoms that distances are measured from
N_SAMPLE = 5_000  # training molecules whose atoms they are chosen from
LEAST_VARIANCE = 1e-6  # of a feature in a direction
MOMENT_FACTOR = DEBYE_PER_ATOMIC_UNIT / ANGSTROM_PER_BOHR  # debye for a charge and an angstrom


class ReadoutFitSettings(LimitSettings):
    """How networks are fitted; defaults are those of the shipped model."""

    n_members: PositiveInt = 5
    n_inputs: PositiveInt = 384  # directions of AIMNet2's features that are kept
    n_hidden: PositiveInt = 128
    n_epochs: PositiveInt = 20
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 2e-3  # largest
    weight_decay: NonNegativeFloat = 1e-4
    loss_weights: dict[str, NonNegativeFloat] = Field(default_factory=dict)  # see `loss_weights_of`


def kind_of(target: Target) -> Kind:
    """How a target is read off the atoms; a moment that a difference is added to is a mean."""
    if target.column.quantity.extensive:
        return "sum"
    return "moment" if target.column.quantity.is_moment and target.low is None else "mean"


def fit_readout(sets: FitSets, settings: ReadoutFitSettings) -> FittedModel:
    """Train, learn the size of errors from the selection set, calibrate.

    Args:
        sets: molecules that weights are fitted to; some hundreds or more to learn the size of
            errors from, and to calibrate on.
        settings: see there.
    Returns:
        the predictor with a report of the fit.
    Raises:
        ConfigError: labels are missing, a structure lacks a low value, or the weights of AIMNet2
            are not on this machine.
        ValueError: fewer than 10 calibration molecules.
    """
    projector = fit_projector(sets.fit.structures, settings)
    learned = inputs_of(sets.fit.structures, projector, settings.device)
    seen = halves(len(sets.fit), settings.n_members, settings.seed)
    network, scale = trained(learned, sets.fit.targets(sets.targets), sets.targets, seen, settings)
    held_out = inputs_of(sets.selection.structures, projector, settings.device)
    members = members_of(network, held_out, settings.device)
    errors = errors_of(scale, held_out.structures, members, sets.selection.targets(sets.targets))
    stds = member_stds(members) * scale.factors
    spreads = fit_spreads(errors, stds, told_of(held_out.structures))
    known = known_atoms(learned, projector, scale.elements, settings.seed)
    model = ReadoutModel(network, scale, spreads, projector, known)
    raw = ReadoutEvaluator(model, settings.device).predict(sets.calibration.structures)
    predictor = calibrated(NAME, model, raw, sets, Growth.none(sets.targets), settings)
    mae = np.abs(errors).mean(axis=0).tolist()
    report = {
        "settings": settings.model_dump(mode="json"),
        "selection_mae": dict(zip(sets.targets.names, mae, strict=True)),
        "n_train": len(sets.fit),
        "n_selection": len(sets.selection),
        "n_calibration": len(sets.calibration),
    }
    return FittedModel(predictor, report, sets.elements)


def errors_of(
    scale: Scale, structures: Sequence[Structure], members: FloatArray, wanted: FloatArray
) -> FloatArray:
    """Errors of the means of members.

    Args:
        scale: of the targets.
        structures: (n,).
        members: (n, n_targets, n_members), standardised.
        wanted: (n, n_targets).
    Returns:
        float64 (n, n_targets).
    """
    return np.asarray(scale.restored(structures, members.mean(axis=2)) - wanted)


def trained(
    molecules: Inputs,
    learned: FloatArray,
    targets: Targets,
    seen: torch.Tensor,
    settings: ReadoutFitSettings,
    n_groups: int = 1,
) -> tuple[Readout, Scale]:
    """Networks that were trained on molecules.

    Args:
        molecules: (n,).
        learned: (n, n_targets), labels or what is added to low values.
        targets: what is learned.
        seen: float64 (n, n_members), how much a molecule counts for a member.
        settings: see there.
        n_groups: of members that see the same molecules.
    Returns:
        the networks of all members, and what their outputs are multiplied and added with.
    """
    kinds = tuple(kind_of(each) for each in targets.fitted)
    scale = _scale(molecules.structures, learned, kinds)
    standard = scale.standardised(molecules.structures, learned)
    sizes = standard.std(axis=0)  # not 1 of moments alone
    wanted = torch.from_numpy(standard / sizes)
    weights = (
        seen[:, None, :] * torch.tensor(loss_weights_of(settings.loss_weights, targets))[:, None]
    )
    network = Readout(
        ReadoutSettings(
            kinds=kinds,
            n_inputs=molecules.inputs[0].shape[1],
            n_members=settings.n_members,
            n_groups=n_groups,
            n_hidden=settings.n_hidden,
        ),
        torch.Generator().manual_seed(settings.seed),
    ).to(settings.device)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=settings.weight_decay)
    n = len(molecules.structures)
    n_steps = max(1, n // settings.batch_size)  # of an epoch
    for epoch in range(settings.n_epochs):
        order = np.random.default_rng([settings.seed, epoch]).permutation(n)
        total = 0.0
        for place, rows in enumerate(np.array_split(order, n_steps), start=1):
            done = (epoch + place / n_steps) / settings.n_epochs
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * _share_of_rate(done)
            loss = _loss(network, molecules.rows(rows), wanted[rows], weights[rows], sizes)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types for it
            torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
            optimizer.step()
            total += loss.item()
        log.info("epoch %d of %d: loss %.4f", epoch + 1, settings.n_epochs, total / n_steps)
    return network.requires_grad_(False), scale


def _loss(
    network: Readout, some: Inputs, wanted: torch.Tensor, weights: torch.Tensor, sizes: FloatArray
) -> torch.Tensor:
    """Of some molecules: `wanted` (n, n_targets) in units of `sizes` (n_targets,), and `weights`
    (n, n_targets, n_members)."""
    device = network.first.device
    atoms = atoms_of(
        *(some.structures, some.inputs, some.charges), multiple=SHARE_ROWS, device=str(device)
    )
    outputs = network(atoms) / torch.from_numpy(sizes).to(device)[:, None]
    errors = torch.nn.functional.smooth_l1_loss(
        outputs,
        wanted.to(device)[:, :, None].expand_as(outputs),
        reduction="none",
        beta=LINEAR_BEYOND,
    )
    return (errors * weights.to(device)).sum() / len(wanted)


def inputs_of(structures: Sequence[Structure], projector: Projector, device: str) -> Inputs:
    """The inputs of molecules, with half of the digits, which is what there is memory for.

    Args:
        structures: (n,), of elements and charges that AIMNet2 takes.
        projector: of AIMNet2's features.
        device: of torch.
    Returns:
        of all of them, in order.
    """
    featuriser = Featuriser(projector, device)
    inputs: list[NDArray[np.float16]] = []
    charges: list[NDArray[np.float32]] = []
    for start in range(0, len(structures), CHUNK):
        made = featuriser(structures[start : start + CHUNK])
        inputs += [each.astype(np.float16) for each in made.inputs]
        charges += made.charges
        log.info("features of %d of %d molecules", len(inputs), len(structures))
    return Inputs(structures, inputs, charges)


def fit_projector(structures: Sequence[Structure], settings: ReadoutFitSettings) -> Projector:
    """The directions in which AIMNet2's features of the training atoms vary most."""
    sample = [structures[row] for row in _sample(structures, settings.seed).tolist()]
    vectors = AimNet2(settings.device).vectors(sample)
    features = np.concatenate([each.features for each in vectors]).astype(np.float64)
    centre = features.mean(axis=0)
    centred = features - centre
    values, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    leading = slice(None, -settings.n_inputs - 1, -1)
    return Projector(
        centre.astype(np.float32),
        np.ascontiguousarray(directions[:, leading].T, dtype=np.float32),
        np.sqrt(np.maximum(values[leading], LEAST_VARIANCE)).astype(np.float32),
    )


def known_atoms(
    molecules: Inputs, projector: Projector, elements: tuple[int, ...], seed: int
) -> Inducing:
    """Training atoms that distances are measured from: farthest points of each element.

    Args:
        molecules: that were learned.
        projector: of the features.
        elements: atomic numbers, ascending.
        seed: of the choice.
    Returns:
        atoms of each element, in the leading directions.
    """
    some = molecules.rows(_sample(molecules.structures, seed))
    leading = projector.leading(np.concatenate(some.inputs))
    sizes = [structure.n_atoms for structure in some.structures]
    atoms = Projected(
        elements,
        leading.astype(np.float64),
        np.zeros(len(leading)),
        np.concatenate([structure.atomic_numbers for structure in some.structures]),
        np.repeat(np.arange(len(sizes)), sizes),
        len(sizes),
    )
    return choose_inducing(atoms, N_KNOWN, np.random.default_rng(seed))


def _sample(structures: Sequence[Structure], seed: int) -> NDArray[np.int64]:
    """Some training molecules, of every element as many as of the others where it has them."""
    order = np.random.default_rng(seed).permutation(len(structures))
    elements = sorted({int(n) for each in structures for n in each.atomic_numbers})
    chosen: set[int] = set()
    for number in elements:
        having = [row for row in order.tolist() if number in structures[row].atomic_numbers]
        chosen |= set(having[: N_SAMPLE // len(elements)])
    return np.array(sorted(chosen))


def _scale(structures: Sequence[Structure], learned: FloatArray, kinds: Sequence[Kind]) -> Scale:
    elements = tuple(sorted({int(n) for each in structures for n in each.atomic_numbers}))
    counts = composition(structures, elements)
    baselines = np.zeros((len(kinds), len(elements) + 1))
    factors = np.full(len(kinds), MOMENT_FACTOR)
    for place, kind in enumerate(kinds):
        if kind == "moment":
            continue
        column = learned[:, place]
        baselines[place] = fit_baseline(counts, column, extensive=kind == "sum")
        one = Scale(elements, baselines[place : place + 1], np.ones(1))
        left = one.standardised(structures, column[:, None])
        factors[place] = np.sqrt((left**2).mean())
    return Scale(elements, baselines, factors)


def _share_of_rate(done: float) -> float:
    """Of the largest learning rate, after a share of all steps."""
    if done < WARM_UP:
        return done / WARM_UP
    return (1.0 + cos(pi * (done - WARM_UP) / (1.0 - WARM_UP))) / 2.0
