"""Energies of free atoms at the levels that come with this package, by atomic number, hartree.

A level has them as `free_atoms_ha`, and that is where to ask for them:
`level("b3lyp").free_atoms_ha`.
"""

from collections.abc import Mapping

# B3LYP/6-31G(2df,p). H, C, N, O and F: Ramakrishnan et al., Sci. Data 1, 140022 (2014), table of
# reference atoms. The others by PySCF 2.14: screener/data/b3lyp/make_free_atoms.py, which gives
# those five as well, to 1.5e-6.
B3LYP_HA: Mapping[int, float] = {
    1: -0.500273,
    5: -24.655639,
    6: -37.846772,
    7: -54.583861,
    8: -75.064579,
    9: -99.718730,
    14: -289.371989,
    15: -341.257554,
    16: -398.105754,
    17: -460.136686,
}

# GFN2-xTB by tblite 0.8.0 (accuracy 1e-4), neutral atoms, multiplicities H 2, C 3, N 4, O 3, F 2.
GFN2_HA: Mapping[int, float] = {
    1: -0.393482763932,
    6: -1.793296371365,
    7: -2.605824161273,
    8: -3.767606950369,
    9: -4.619339964231,
}

# Unrestricted wB97M/def2-TZVPP, which is wB97M-D3(BJ) for an atom, by PySCF 2.14:
# screener/data/aimnet2/make_free_atoms.py.
WB97M_HA: Mapping[int, float] = {
    1: -0.498639662,
    5: -24.671470710,
    6: -37.872595270,
    7: -54.623230230,
    8: -75.112283022,
    9: -99.784908075,
    14: -289.412895147,
    15: -341.305898454,
    16: -398.159405644,
    17: -460.198109239,
    35: -2574.116436711,
    53: -297.762507556,
}
