"""Typical ranges of the columns that the ranking knows.

A typical range is the scale of an objective whose ends are left open. It is not a recommendation: a
preset or a user who knows what is needed says so. Apart from the sizes, each runs from about the
1st to the 99th percentile of QM9 (Ramakrishnan et al., Sci. Data 1, 140022 (2014); up to nine heavy
atoms of C, N, O, F), rounded outwards and widened where a known electrolyte solvent lies beyond:
the B3LYP/6-31G(2df,p) columns from QM9's own values, the GFN2 columns from GFN2-xTB single points
at the geometries of 400 of its molecules drawn at random.
"""

from collections.abc import Mapping

TYPICAL_RANGES: Mapping[str, tuple[float, float]] = {
    "ae0_b3lyp_kcal_per_atom": (85.0, 112.0),  # QM9 89.8 to 111.0; 1,2-dimethoxyethane 87.2
    "ae0_b3lyp_kcal": (1100.0, 2300.0),  # QM9 1158 to 2303
    "homo_b3lyp_ev": (-9.0, -4.5),  # QM9 -8.0 to -4.8; acetonitrile -8.9
    "lumo_b3lyp_ev": (-3.0, 2.5),  # QM9 -2.7 to 2.5
    "gap_b3lyp_ev": (4.0, 10.0),  # QM9 4.1 to 9.4; acetonitrile 9.9
    "dipole_b3lyp_debye": (0.0, 6.5),  # QM9 0.1 to 6.6
    "de_gfn2_kcal": (1500.0, 3200.0),  # 1799 to 3135; ethylene carbonate 1524
    "homo_gfn2_ev": (-12.5, -9.0),  # -11.8 to -9.2; ethylene carbonate -12.4
    "lumo_gfn2_ev": (-8.5, 0.5),  # -8.5 to 0.1
    "gap_gfn2_ev": (2.0, 11.0),  # 2.3 to 10.9
    "dipole_gfn2_debye": (0.0, 7.0),  # 0.2 to 6.9
    # uncorrected, of the solvents in tests/benchmarks/known_redox.csv and some that are no solvents
    "ip_gfn2_ev": (13.0, 16.5),  # trimethylamine 13.1; nitromethane 16.3
    "ea_gfn2_ev": (-5.0, 7.0),  # trimethylamine -4.8; benzoquinone 6.8
    "eox_gfn2_v_li": (9.5, 12.5),  # trimethylamine 9.5; nitromethane 12.4
    "ered_gfn2_v_li": (-4.0, 7.5),  # trimethylamine -4.1; benzoquinone 7.3
    "n_heavy": (3.0, 15.0),  # acetonitrile 3; tetraethylene glycol dimethyl ether 15
    "n_atoms": (6.0, 37.0),  # the same two
}


def typical_range(column: str) -> tuple[float, float] | None:
    """Both ends in the column's unit, or None where nothing is known of it."""
    return TYPICAL_RANGES.get(column)
