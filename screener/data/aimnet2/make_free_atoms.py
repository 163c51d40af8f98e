"""Energies of free atoms at the level that AIMNet2 was taught, for `chemistry/free_atoms.py`.

    python screener/data/aimnet2/make_free_atoms.py

wB97M-D3(BJ) is wB97M-V without its non-local part (Najibi, Goerigk, J. Chem. Theory Comput. 14,
5725 (2018)), and a single atom has no dispersion, so PySCF computes wB97M-V with that part left
out: unrestricted, def2-TZVPP (effective core potential for iodine), ground-state multiplicities.
"""

from pyscf import dft, gto

from screener.potentials.aimnet2.weights import ELEMENTS
from screener.registry.elements import symbol_of

N_UNPAIRED = {"C": 2, "N": 3, "O": 2, "Si": 2, "P": 3, "S": 2}  # others have one


def main() -> None:
    for number in ELEMENTS:
        symbol = symbol_of(number)
        atom = gto.M(
            atom=f"{symbol} 0 0 0",
            basis="def2-tzvpp",
            ecp="def2-tzvpp" if symbol == "I" else None,
            spin=N_UNPAIRED.get(symbol, 1),
            verbose=0,
        )
        field = dft.UKS(atom, xc="wb97m_v")
        field.nlc = 0
        field.grids.level = 5
        field.max_cycle = 200
        energy = field.kernel()
        if not field.converged:
            raise SystemExit(f"{symbol} did not converge")
        print(f"    {number}: {energy:.9f},")


if __name__ == "__main__":
    main()
