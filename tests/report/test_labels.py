import pytest

from screener.report.labels import counted, label_of, low_column, written


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
        ("homo_b3lyp_ev", "homo_gfn2_ev"),
        ("ae0_b3lyp_kcal", "de_gfn2_kcal"),
        ("homo_gfn2_ev", None),
        ("ae0_b3lyp_kcal_per_atom", None),
        ("price", None),
    ],
)
def test_the_column_that_was_corrected(column, low):
    assert low_column(column) == low


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
