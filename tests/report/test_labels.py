import pytest

from screener.report.labels import corrected, counted, label_of, written


@pytest.mark.parametrize(
    ("column", "name", "fidelity", "unit"),
    [
        ("homo_b3lyp_ev", "HOMO", "B3LYP", "eV"),
        ("dipole_gfn2_debye", "dipole moment", "GFN2-xTB", "D"),
        ("ae0_g4mp2_kcal", "atomization energy, 0 K", "G4MP2", "kcal/mol"),
        ("ae0_b3lyp_kcal_per_atom", "atomization energy, 0 K", "B3LYP", "kcal/mol per atom"),
        ("n_heavy", "heavy atoms", "", ""),
        ("homo_price", "homo_price", "", ""),
    ],
)
def test_columns_in_words(column, name, fidelity, unit):
    label = label_of(column)
    assert (label.name, label.fidelity, label.unit) == (name, fidelity, unit)


@pytest.mark.parametrize(
    ("column", "low"),
    [
        ("homo_b3lyp_ev", (-12.5, "GFN2-xTB")),
        ("ae0_b3lyp_kcal", (1500.0, "GFN2-xTB")),
        ("ae0_b3lyp_kcal_per_atom", (150.0, "GFN2-xTB")),
        ("ae0_g4mp2_kcal", (1400.0, "B3LYP")),
        ("lumo_b3lyp_ev", (-6.0, "")),
        ("homo_gfn2_ev", (None, "")),
        ("price", (None, "")),
        ("boiling_point", (300.0, "")),
    ],
)
def test_what_was_corrected_is_told_by_the_row(column, low):
    row = {
        "homo_b3lyp_ev": -8.5,
        "homo_b3lyp_ev_delta": 4.0,
        "homo_gfn2_ev": -12.5,
        "lumo_b3lyp_ev": 1.0,
        "lumo_b3lyp_ev_delta": 7.0,
        "ae0_b3lyp_kcal": 1400.0,
        "ae0_b3lyp_kcal_delta": -100.0,
        "ae0_b3lyp_kcal_per_atom": 140.0,
        "ae0_b3lyp_kcal_per_atom_delta": -10.0,
        "ae0_g4mp2_kcal": 1390.0,
        "ae0_g4mp2_kcal_delta": -10.0,
        "de_gfn2_kcal": 1500.0,
        "price": 3.0,
        "boiling_point": 310.0,
        "boiling_point_delta": 10.0,
    }
    assert corrected(row, column) == low


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("homo_b3lyp_ev", -8.8817, "−8.88"),
        ("homo_b3lyp_ev", -0.001, "0.00"),
        ("ae0_b3lyp_kcal", 1014.7669, "1014.8"),
        ("n_heavy", 6.0, "6"),
        ("price", 1234567.0, "1.235e+06"),
        ("price", 0.000123456, "0.0001235"),
        ("price", None, "–"),
        ("price", float("nan"), "–"),
    ],
)
def test_numbers_have_the_digits_that_mean_something(column, value, text):
    assert written(value, label_of(column)) == text


def test_counts_are_spaced():
    assert counted(130831) == "130\u202f831"
