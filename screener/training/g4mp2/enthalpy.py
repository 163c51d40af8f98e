"""Enthalpies of formation: fitted to those of the reference data, and judged by measured ones."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screener.errors import SchemaError
from screener.models.ladder.enthalpy import FormationEnthalpy, sums
from screener.records import Structure
from screener.training.g4mp2.reference import ReferenceMolecule

FloatArray = NDArray[np.float64]

_RIDGE = 0.1  # kinds of bonds that few molecules have are held near what atoms alone say
_EXACT = 0.01  # kcal/mol: the data are printed so


def fit_enthalpy(
    molecules: Sequence[ReferenceMolecule],
    structures: Sequence[Structure],
    elements: tuple[int, ...],
    rows: NDArray[np.int64],
    std: float = 0.0,
) -> FormationEnthalpy:
    """What turns atomization energies into enthalpies of formation.

    Args:
        molecules: n, with enthalpies.
        structures: n, theirs.
        elements: atomic numbers, ascending.
        rows: of the molecules to fit on.
        std: of the error on others, kcal/mol; see `out_of_fold`.
    Returns:
        the fit.
    Raises:
        SchemaError: the enthalpies do not follow from the atomization energies.
    """
    fitted = [molecules[row] for row in rows.tolist()]
    counted = sums([structures[row] for row in rows.tolist()], elements)
    composition = counted[:, : len(elements)]
    heating = np.array([each.heating_kcal for each in fitted])
    known = np.array([each.hof298_g4mp2_kcal + each.ae0_g4mp2_kcal for each in fitted]) - heating
    atoms = np.linalg.lstsq(composition, known, rcond=None)[0]
    if np.abs(composition @ atoms - known).max() > _EXACT:
        raise SchemaError("enthalpies of formation and atomization energies are of two sources")
    left = counted.T @ counted + _RIDGE * np.eye(counted.shape[1])
    return FormationEnthalpy(elements, atoms, np.linalg.solve(left, counted.T @ heating), std)


def out_of_fold(
    molecules: Sequence[ReferenceMolecule],
    structures: Sequence[Structure],
    elements: tuple[int, ...],
    fit: NDArray[np.bool_],
    folds: NDArray[np.int64],
) -> FloatArray:
    """What has to be added to minus the atomization energy, by fits without the molecule's fold.

    Args:
        molecules, structures, elements: as of `fit_enthalpy`.
        fit: (n,), may be fitted on.
        folds: (n,).
    Returns:
        (n,), kcal/mol.
    """
    added = np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        rows, others = np.flatnonzero(fit & (folds != fold)), np.flatnonzero(folds == fold)
        model = fit_enthalpy(molecules, structures, elements, rows)
        added[others] = model.without_energy([structures[row] for row in others.tolist()])
    return added


def heating_std(
    molecules: Sequence[ReferenceMolecule], added: FloatArray, judged: NDArray[np.bool_]
) -> float:
    """Of the errors of `out_of_fold`.

    Args:
        molecules: n.
        added: (n,), kcal/mol.
        judged: (n,), which count.
    Returns:
        kcal/mol.
    """
    right = np.array([each.hof298_g4mp2_kcal + each.ae0_g4mp2_kcal for each in molecules])
    return float(np.sqrt(np.mean((added - right)[judged] ** 2)))
