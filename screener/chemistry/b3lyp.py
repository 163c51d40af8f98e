"""B3LYP/6-31G(2df,p) energies and properties of one molecule, by PySCF, equal to those of QM9.

QM9 was computed by Gaussian, whose basis set of this name differs from the one of PySCF and the
Basis Set Exchange, and so does the B3LYP functional:

- B3LYP has the correlation functional VWN3 (`b3lypg` in PySCF).
- Two d functions are made of the one of 6-31G(d) by multiplying its exponent by 2 and 1/2. For B,
  C, N, O and F PySCF splits the exponents of 6-311G(d) instead.
- d functions are Cartesian (six), f functions are pure (seven). PySCF has all Cartesian or all
  pure, so the equations are solved in the subspace of the Cartesian basis in which f functions are
  pure.

The wave function is found on a coarse grid first and goes on from there on the grid of QM9, which
saves a third of the time. Nobody checks that it is the lowest one there is.
"""

import importlib
import os
import platform
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.registry.elements import G4MP2_ELEMENTS, numbers_of, symbol_of
from screener.units import DEBYE_PER_ATOMIC_UNIT, EV_PER_HARTREE

FloatArray = NDArray[np.float64]

ELEMENTS = frozenset(numbers_of(G4MP2_ELEMENTS))
_BASIS = "6-31g(2df,p)"
# Exponents of the d function in 6-31G(d): Hariharan and Pople, Theor. Chim. Acta 28, 213 (1973) for
# C, N, O and F; Dill and Pople, J. Chem. Phys. 62, 2921 (1975) for B.
_D_EXPONENTS = {"B": 0.6, "C": 0.8, "N": 0.8, "O": 0.8, "F": 0.8}
_D, _F = 2, 3  # angular momenta
_MODULES = ("dft", "gto")
_NEAREST = 0.3  # angstrom; no two nuclei of a molecule are closer (in H2 0.74)
_MEMORY_MB = 4000  # with more, the fitted integrals lie in a temporary file
_MAX_CYCLES = 100  # of each stage
# Stages: PySCF's grid, change of energy (hartree) and orbital gradient of a converged wave
# function, and what virtual orbitals are raised by (hartree), which steadies those that oscillate.
# Grid 3 has (50, 302) points for H and (75, 302) up to F, as Gaussian's has.
_COARSE = (1, 1e-5, 3e-3, 0.0)
_FINE = (3, 1e-7, 3e-4, 0.0)
_STEADY = (3, 1e-7, 3e-4, 0.3)
_LEAST_OVERLAP = 1e-9  # eigenvalues of the overlap matrix below this are left out


def with_b3lyp(structure: Structure) -> Structure:
    """The structure with a B3LYP/6-31G(2df,p) single point at its geometry.

    Charge and number of unpaired electrons are those of the structure; open shells are treated
    unrestricted. Coulomb and exchange integrals are fitted to an auxiliary basis.

    Args:
        structure: of the elements `ELEMENTS`.
    Returns:
        the same with `energy_b3lyp_ha` (total electronic energy with nuclear repulsion, without
        zero-point energy), `homo_b3lyp_ev`, `lumo_b3lyp_ev` (of either spin) and
        `dipole_b3lyp_debye` (norm; of an ion about its centre of nuclear charge).
    Raises:
        MoleculeError: `element_unknown`; `broken_geometry`, nuclei on top of one another;
            `impossible_multiplicity`, not that many electrons can be unpaired; or `scf_failed`, the
            wave function does not converge.
        ConfigError: PySCF is not installed.
    References:
        Ramakrishnan, Dral, Rupp, von Lilienfeld, Sci. Data 1, 140022 (2014); Sun et al., J. Chem.
        Phys. 153, 024109 (2020), on PySCF.
    """
    unknown = set(structure.atomic_numbers.tolist()) - ELEMENTS
    if unknown:
        symbols = ", ".join(symbol_of(number) for number in sorted(unknown))
        raise MoleculeError("element_unknown", f"B3LYP/6-31G(2df,p) is not set up for {symbols}")
    pyscf = _import_pyscf()
    with threadpool_limits(limits=1):
        field = _solved(pyscf, _molecule(pyscf, structure))
    occupied, virtual = _frontier(field)
    return structure.with_values(
        {
            "energy_b3lyp_ha": float(field.e_tot),
            "homo_b3lyp_ev": occupied * EV_PER_HARTREE,
            "lumo_b3lyp_ev": virtual * EV_PER_HARTREE,
            "dipole_b3lyp_debye": _dipole(field) * DEBYE_PER_ATOMIC_UNIT,
        }
    )


def _import_pyscf() -> SimpleNamespace:
    """PySCF's modules, with a linear algebra that fits the processor.

    PySCF's wheels carry an OpenBLAS of 2018 that does not know younger processors and runs on them
    at less than half of their speed. It is told to treat those that have the instructions as
    Haswell. It reads the variable while it is loaded and never again.
    """
    variable = "OPENBLAS_CORETYPE"
    tell = variable not in os.environ and platform.machine() == "x86_64" and _has_fma()
    if tell:
        os.environ[variable] = "Haswell"
    try:
        modules = {name: importlib.import_module(f"pyscf.{name}") for name in _MODULES}
    except ImportError as error:
        raise ConfigError(
            "B3LYP is computed by PySCF, which is not installed; "
            "pip install -c constraints.txt 'screener[b3lyp]'"
        ) from error
    finally:
        if tell:
            del os.environ[variable]
    return SimpleNamespace(**modules)


def _has_fma() -> bool:
    known = np.show_config(mode="dicts")["SIMD Extensions"]
    features = {*known.get("baseline", ()), *known.get("found", ())}
    return "X86_V3" in features or {"AVX2", "FMA3"} <= features  # NumPy's names, new and old


def _molecule(pyscf: SimpleNamespace, structure: Structure) -> Any:
    """PySCF's molecule, of which a wave function can be made."""
    numbers, positions = structure.atomic_numbers, structure.positions.astype(np.float64)
    idx_i, idx_j = np.triu_indices(structure.n_atoms, 1)
    distances = np.linalg.norm(positions[idx_i] - positions[idx_j], axis=1)
    if not (distances >= _NEAREST).all():  # true of distances that are no numbers, too
        raise MoleculeError("broken_geometry", f"two nuclei are less than {_NEAREST} Å apart")
    n_electrons, n_unpaired = int(numbers.sum()) - structure.charge, structure.n_unpaired
    if n_electrons < max(1, n_unpaired) or (n_electrons - n_unpaired) % 2:
        raise MoleculeError(
            "impossible_multiplicity", f"{n_unpaired} of {n_electrons} electrons cannot be unpaired"
        )
    symbols = [symbol_of(number) for number in numbers.tolist()]
    return pyscf.gto.M(
        atom=list(zip(symbols, positions.tolist(), strict=True)),
        basis={symbol: _shells(symbol) for symbol in set(symbols)},
        charge=structure.charge,
        spin=n_unpaired,
        cart=True,
        max_memory=_MEMORY_MB,
        verbose=0,
    )


def _solved(pyscf: SimpleNamespace, molecule: Any) -> Any:
    """A converged mean field of PySCF."""
    kind = pyscf.dft.UKS if molecule.spin else pyscf.dft.RKS
    field = kind(molecule, xc="b3lypg").density_fit()
    field.max_cycle = _MAX_CYCLES
    if field.chkfile:  # opened unasked, and written in every cycle
        field._chkfile.close()
        field.chkfile = None
    orthogonal = _orthogonal(field.get_ovlp(), _pure_f(molecule))
    # PySCF solves in the span of these orbitals, and extrapolates by errors within it
    field.check_linear_dependency = lambda overlap, log=None: orthogonal
    density = None
    for stage in (_COARSE, _FINE, _STEADY):
        level, field.conv_tol, field.conv_tol_grad, field.level_shift = stage
        field.grids = pyscf.dft.Grids(molecule)
        field.grids.level = level
        field.conv_check = field.level_shift > 0  # a last cycle without it
        field.kernel(dm0=density)
        if field.converged and stage is not _COARSE:
            return field
        density = field.make_rdm1()
    raise MoleculeError("scf_failed", f"B3LYP did not converge in {_MAX_CYCLES} cycles")


@cache
def _shells(symbol: str) -> list[Any]:
    """The basis functions of an element, in PySCF's form."""
    shells = _import_pyscf().gto.basis.load(_BASIS, symbol)
    if symbol not in _D_EXPONENTS:
        return list(shells)
    others = [shell for shell in shells if shell[0] != _D]
    exponent = _D_EXPONENTS[symbol]
    return [*others, [_D, [2.0 * exponent, 1.0]], [_D, [0.5 * exponent, 1.0]]]


def _pure_f(molecule: Any) -> FloatArray:
    """Columns that span the basis with pure f functions, (n_cartesian, n_mixed)."""
    pure = _import_pyscf().gto.cart2sph(_F)
    blocks: list[FloatArray] = []
    for shell in range(molecule.nbas):
        momentum, n_contracted = molecule.bas_angular(shell), molecule.bas_nctr(shell)
        block = pure if momentum == _F else np.eye((momentum + 1) * (momentum + 2) // 2)
        blocks += [block] * n_contracted
    return _block_diagonal(blocks)


def _block_diagonal(blocks: Sequence[FloatArray]) -> FloatArray:
    shape = np.sum([block.shape for block in blocks], axis=0)
    matrix = np.zeros(tuple(shape))
    row = column = 0
    for block in blocks:
        matrix[row : row + block.shape[0], column : column + block.shape[1]] = block
        row, column = row + block.shape[0], column + block.shape[1]
    return matrix


def _orthogonal(overlap: FloatArray, span: FloatArray) -> FloatArray:
    """Orthonormal orbitals that span a subspace.

    Args:
        overlap: (n, n) of the basis functions.
        span: (n, m), columns that span the subspace.
    Returns:
        (n, k), k at most m.
    """
    values, vectors = np.linalg.eigh(span.T @ overlap @ span)
    kept = values > _LEAST_OVERLAP
    orbitals: FloatArray = span @ (vectors[:, kept] / np.sqrt(values[kept]))
    return orbitals


def _frontier(field: Any) -> tuple[float, float]:
    """Energies of the highest occupied and the lowest virtual orbital, hartree, of either spin."""
    energies, occupations = np.ravel(field.mo_energy), np.ravel(field.mo_occ)
    return float(energies[occupations > 0].max()), float(energies[occupations == 0].min())


def _dipole(field: Any) -> float:
    """The norm of the dipole moment in atomic units, about the centre of nuclear charge."""
    molecule = field.mol
    charges, positions = molecule.atom_charges(), molecule.atom_coords()
    with molecule.with_common_orig(charges @ positions / charges.sum()):
        electrons = molecule.intor_symmetric("int1e_r", comp=3)
    density = np.asarray(field.make_rdm1())
    density = density.sum(axis=0) if density.ndim == 3 else density
    # nuclei have no dipole about their own centre of charge
    return float(np.linalg.norm(np.einsum("xij,ji->x", electrons, density)))
