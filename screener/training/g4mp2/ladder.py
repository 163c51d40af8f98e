"""What the whole ladder, SMILES alone to G4(MP2), is fitted on: its molecules and its variants.

The first rung, GFN2 → B3LYP, is a bundle whose training has none of PPE1694's connectivities. The
second is fitted here, fold by fold: on structures reached from the B3LYP geometry, where conformer
and label belong together, and used on the conformers found from SMILES. What it is fitted on
differs between variants: where the first rung has never seen a molecule's kind, such as fluorine on
sp3 carbon, the second one may correct its predictions, or lean on GFN2 instead. What neither has
learned from stays outside, see `LadderRows.brought_in`. `judged` tells how well it does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from screener.chemistry.coordination import coordinations
from screener.errors import ConfigError
from screener.models.bundle import load_bundle
from screener.models.low_values import low_values
from screener.models.predictor import Predictor
from screener.models.registry import Predicts, evaluator_of
from screener.models.shipped import QM9_DELTA
from screener.models.uncertainty.domain import Domain
from screener.records import Structure
from screener.training.fit.additive import Prepared, prepare
from screener.training.fit.data import LimitSettings
from screener.training.g4mp2 import reference
from screener.training.g4mp2.nested import WIDTHS, Task, folds_of
from screener.training.g4mp2.reference import ReferenceMolecule
from screener.training.g4mp2.rung import group_numbers, seen_elsewhere
from screener.training.g4mp2.structures import reference_structures
from screener.training.qm9.conformers import conformer_distance
from screener.units import KCAL_PER_HARTREE

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

GFN2 = "de_gfn2_kcal"
LARGEST_JUDGED = 9  # heavy atoms
N_OUTER, N_INNER = 5, 5
LIMITS = LimitSettings()  # of a correction's domain, as of the first rung's

Variant = Literal["labels", "predictions", "labels, predictions", "halfway", "gfn2"]
VARIANTS: Mapping[Variant, str] = {
    "labels": "on the molecules with B3LYP labels, from these",
    "predictions": "on all molecules, from the first rung's predictions",
    "labels, predictions": "on all molecules, from B3LYP labels, else from predictions",
    # what is fitted is linear in the targets, so this is nearly the mean of its neighbours' values
    "halfway": "on all molecules, from the mean of GFN2 and the first rung's predictions",
    "gfn2": "on all molecules, from GFN2, without the first rung",
}


@dataclass(frozen=True, slots=True, eq=False)
class LadderRows:
    """Molecules with what every variant is made of, (n,) each, energies in kcal/mol.

    `fitted` are the structures reached from the B3LYP geometry, `asked` those that a user's SMILES
    leads to; where one is missing the other fills its place, and `usable` or `judged` says so.
    """

    molecules: tuple[ReferenceMolecule, ...]
    prepared: Prepared
    b3lyp: FloatArray  # labels, NaN where there is none
    first: FloatArray  # the first rung's B3LYP at `fitted`
    gfn2: FloatArray  # at `fitted`
    asked_first: FloatArray
    asked_gfn2: FloatArray
    groups: NDArray[np.int64]  # one number per connectivity
    usable: BoolArray  # has a structure to fit on
    judged: BoolArray  # small enough, and has a structure from SMILES; suspect or not
    inside: BoolArray  # `asked` is in the first rung's domain
    parts: tuple[frozenset[str], ...]  # coordinations of `fitted`
    asked_parts: tuple[frozenset[str], ...]
    distance: FloatArray  # angstrom, between the two conformers; see `conformer_distance`
    above: FloatArray  # GFN2 energy of `asked` minus that of `fitted`
    n_failed: int  # molecules that have neither structure

    @property
    def high(self) -> FloatArray:
        """G4(MP2) labels (n,)."""
        return np.array([molecule.ae0_g4mp2_kcal for molecule in self.molecules])

    @property
    def sound(self) -> BoolArray:
        """Rows (n,) that are not suspect."""
        return np.array([not molecule.suspect for molecule in self.molecules])

    def brought_in(self, seed: int = 0) -> BoolArray:
        """Rows (n,) outside the first rung's domain whose kind the second one has learned from.

        Every atom's coordination is in `LIMITS.min_seen` sound molecules of the other outer folds.
        What neither rung has seen stays outside.
        """
        folds = folds_of(self.groups, N_OUTER, seed)
        counted = self.usable & self.sound
        seen = seen_elsewhere(self.parts, self.asked_parts, counted, folds, LIMITS.min_seen)
        return seen & ~self.inside

    def matching(self, pattern: Chem.Mol) -> BoolArray:
        """Rows (n,) whose molecule contains a SMARTS pattern."""
        graphs = (Chem.MolFromSmiles(molecule.smiles) for molecule in self.molecules)
        return np.array([graph.HasSubstructMatch(pattern) for graph in graphs])


def first_rung(name: str = QM9_DELTA) -> tuple[Predicts, Domain]:
    """A bundle's model, without the filter of its domain, and that domain.

    Raises:
        ConfigError: the bundle is a ladder itself.
    """
    predictor = load_bundle(name).predictor
    if not isinstance(predictor, Predictor):
        raise ConfigError(f"{name} cannot be a first rung: it leads to G4(MP2) already")
    return evaluator_of(predictor.model_type, predictor.model), predictor.domain


def ladder_rows(
    first: Predicts,
    domain: Domain,
    molecules: Sequence[ReferenceMolecule] | None = None,
    asked_at: Literal["gfn2-opt", "gfn2-opt-from-b3lyp"] = "gfn2-opt",
    n_conformers: int = 1,
    largest: int = LARGEST_JUDGED,
) -> LadderRows:
    """Structures and lower ends of the reference molecules.

    Args:
        first: the rung GFN2 → B3LYP; none of the molecules may be in its training.
        domain: of that rung.
        molecules: of PPE1694; default: all closed-shell ones of H, C, N, O and F.
        asked_at: from SMILES alone, or, to see what the conformer costs, the fitted ones.
        n_conformers: embedded where structures are made from SMILES.
        largest: heavy atoms of what is judged.
    Returns:
        one row for each molecule that has structures.
    Raises:
        ConfigError, SchemaError: see `reference`.
    """
    listed = list(reference.ppe() if molecules is None else molecules)
    reached = reference_structures("gfn2-opt-from-b3lyp", listed)
    small = [molecule.n_heavy <= largest for molecule in listed]
    from_smiles: list[Structure | None] = list(reached)
    if asked_at == "gfn2-opt":
        wanted = [molecule for molecule, each in zip(listed, small, strict=True) if each]
        made = iter(reference_structures("gfn2-opt", wanted, n_conformers))
        from_smiles = [next(made) if each else None for each in small]

    rows = [
        row
        for row, pair in enumerate(zip(reached, from_smiles, strict=True))
        if pair != (None, None)
    ]
    kept = tuple(listed[row] for row in rows)
    usable = np.array([reached[row] is not None for row in rows])
    judged = np.array([small[row] and from_smiles[row] is not None for row in rows])
    # where one of the two is missing the other fills its place, and is not read there
    fitted = [structure for row in rows if (structure := reached[row] or from_smiles[row])]
    asked = [structure for row in rows if (structure := from_smiles[row] or reached[row])]

    low, asked_low = (low_values(some, [GFN2])[GFN2] for some in (fitted, asked))
    delta, _ = _first(first, domain, fitted)
    asked_delta, inside = _first(first, domain, asked)
    labels = {m.name: m.ae0_b3lyp_kcal for m in reference.overlap()}
    gfn2_ha = [[s.values.get("energy_gfn2_ha", np.nan) for s in some] for some in (fitted, asked)]
    return LadderRows(
        molecules=kept,
        prepared=prepare(fitted, WIDTHS, asked),
        b3lyp=np.array([labels.get(molecule.name, np.nan) for molecule in kept]),
        first=low + delta,
        gfn2=low,
        asked_first=asked_low + asked_delta,
        asked_gfn2=asked_low,
        groups=group_numbers(kept),
        usable=usable,
        judged=judged,
        inside=inside,
        parts=tuple(frozenset(coordinations(structure)) for structure in fitted),
        asked_parts=tuple(frozenset(coordinations(structure)) for structure in asked),
        distance=np.array(
            [
                conformer_distance(one, other) if counts else np.nan
                for one, other, counts in zip(fitted, asked, usable & judged, strict=True)
            ]
        ),
        above=np.subtract(gfn2_ha[1], gfn2_ha[0]) * KCAL_PER_HARTREE,
        n_failed=len(listed) - len(rows),
    )


def _first(
    first: Predicts, domain: Domain, some: Sequence[Structure]
) -> tuple[FloatArray, BoolArray]:
    """Deltas (n,) of the first rung, kcal/mol, and which structures (n,) are in its domain."""
    raw = first.predict(some)
    inside = [
        not domain.reasons(structure)
        and not domain.distance_reasons(structure, raw.distances[start:stop])
        for structure, start, stop in zip(some, raw.offsets[:-1], raw.offsets[1:], strict=True)
    ]
    return raw.values[:, 0], np.array(inside)


def ladder_task(
    rows: LadderRows, variant: Variant, seed: int = 0, counted: BoolArray | None = None
) -> Task:
    """What a variant's second rung is fitted on and judged by.

    Suspect rows are neither. Settings are chosen and intervals calibrated on molecules that are in
    a domain; no label is needed to tell.

    Args:
        rows: of `ladder_rows`.
        variant: one of `VARIANTS`.
        seed: of the folds.
        counted: (n,), of which rows that are judged count; default: those in a domain.
    Returns:
        the task.
    """
    if counted is None:
        counted = rows.inside | rows.brought_in(seed)
    labelled = np.isfinite(rows.b3lyp)
    low, asked_low, fit = {
        "labels": (rows.b3lyp, rows.asked_first, labelled),
        "predictions": (rows.first, rows.asked_first, rows.usable),
        "labels, predictions": (
            np.where(labelled, rows.b3lyp, rows.first),
            rows.asked_first,
            rows.usable,
        ),
        "halfway": (
            (rows.gfn2 + rows.first) / 2,
            (rows.asked_gfn2 + rows.asked_first) / 2,
            rows.usable,
        ),
        "gfn2": (rows.gfn2, rows.asked_gfn2, rows.usable),
    }[variant]
    return Task(
        prepared=rows.prepared,
        low=low,
        asked_low=asked_low,
        high=rows.high,
        groups=rows.groups,
        fit=fit & rows.usable & rows.sound,
        judged=rows.judged & rows.sound & counted,
        n_heavy=np.array([molecule.n_heavy for molecule in rows.molecules]),
    )
