"""B3LYP/6-31G(2df,p) energies and properties of one molecule, by PySCF, equal to those of QM9.

QM9 was computed by Gaussian, whose basis set of this name differs from the one of PySCF and the
Basis Set Exchange, and so does the B3LYP functional:

- B3LYP has the correlation functional VWN3 (`b3lypg` in PySCF).
- Two d functions are made of the one of 6-31G(d) by multiplying its exponent by 2 and 1/2. For B,
  C, N, O and F PySCF splits the exponents of 6-311G(d) instead.
- d functions are Cartesian (six), f functions are pure (seven). PySCF has all Cartesian or all
  pure, so the equations are solved in the subspace of the Cartesian basis in which f functions are
  pure.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError, MoleculeError
from screener.records import Structure
from screener.registry.elements import numbers_of, symbol_of
from screener.units import DEBYE_PER_ATOMIC_UNIT, EV_PER_HARTREE

FloatArray = NDArray[np.float64]

ELEMENTS = frozenset(numbers_of(("H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl")))
_BASIS = "6-31g(2df,p)"
# Exponents of the d function in 6-31G(d): Hariharan and Pople, Theor. Chim. Acta 28, 213 (1973) for
# C, N, O and F; Dill and Pople, J. Chem. Phys. 62, 2921 (1975) for B.
_D_EXPONENTS = {"B": 0.6, "C": 0.8, "N": 0.8, "O": 0.8, "F": 0.8}
_D, _F = 2, 3  # angular momenta
_MAX_CYCLES = 100
_CONVERGED_HA = 1e-9
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
        MoleculeError: `element_unknown`, or `scf_failed` where the wave function does not converge.
        ConfigError: PySCF is not installed.
    References:
        Ramakrishnan, Dral, Rupp, von Lilienfeld, Sci. Data 1, 140022 (2014); Sun et al., J. Chem.
        Phys. 153, 024109 (2020), on PySCF.
    """
    unknown = set(structure.atomic_numbers.tolist()) - ELEMENTS
    if unknown:
        symbols = ", ".join(symbol_of(number) for number in sorted(unknown))
        raise MoleculeError("element_unknown", f"B3LYP/6-31G(2df,p) is not set up for {symbols}")
    field = _solved(structure)
    occupied, virtual = _frontier(field)
    return structure.with_values(
        {
            "energy_b3lyp_ha": float(field.e_tot),
            "homo_b3lyp_ev": occupied * EV_PER_HARTREE,
            "lumo_b3lyp_ev": virtual * EV_PER_HARTREE,
            "dipole_b3lyp_debye": _dipole(field) * DEBYE_PER_ATOMIC_UNIT,
        }
    )


def _solved(structure: Structure) -> Any:
    """A converged mean field of PySCF."""
    try:
        from pyscf import dft, gto, lib
    except ImportError as error:
        raise ConfigError(
            "B3LYP is computed by PySCF, which is not installed; "
            "pip install -c constraints.txt 'screener[b3lyp]'"
        ) from error
    symbols = [symbol_of(number) for number in structure.atomic_numbers.tolist()]
    molecule = gto.M(
        atom=list(zip(symbols, structure.positions.astype(np.float64).tolist(), strict=True)),
        basis={symbol: _shells(symbol) for symbol in set(symbols)},
        charge=structure.charge,
        spin=structure.n_unpaired,
        cart=True,
        verbose=0,
    )
    with lib.with_omp_threads(1):
        kind = dft.UKS if structure.n_unpaired else dft.RKS
        field = kind(molecule, xc="b3lypg").density_fit()
        field.grids.level = 3
        field.max_cycle, field.conv_tol = _MAX_CYCLES, _CONVERGED_HA
        orthogonal = _orthogonal(field.get_ovlp(), _pure_f(molecule))
        # PySCF solves in the span of these orbitals, and extrapolates by errors within it
        field.check_linear_dependency = lambda overlap, log=None: orthogonal
        field.kernel()
    if not field.converged:
        raise MoleculeError("scf_failed", f"B3LYP did not converge in {_MAX_CYCLES} cycles")
    return field


@cache
def _shells(symbol: str) -> list[Any]:
    """The basis functions of an element, in PySCF's form."""
    from pyscf import gto

    shells = gto.basis.load(_BASIS, symbol)
    if symbol not in _D_EXPONENTS:
        return list(shells)
    others = [shell for shell in shells if shell[0] != _D]
    exponent = _D_EXPONENTS[symbol]
    return [*others, [_D, [2.0 * exponent, 1.0]], [_D, [0.5 * exponent, 1.0]]]


def _pure_f(molecule: Any) -> FloatArray:
    """Columns that span the basis with pure f functions, (n_cartesian, n_mixed)."""
    from pyscf import gto

    pure = gto.cart2sph(_F)
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
