import math

import numpy as np
import pytest

from screener.errors import ConfigError
from screener.ranking.expressions import parse_expression

# ethylene carbonate, acetonitrile and tetrahydrofuran at B3LYP/6-31G(2df,p), from QM9
COLUMNS = {
    "homo": np.array([-7.9865, -8.8818, -6.7508]),
    "lumo": np.array([1.0912, 1.0231, 2.2436]),
    "price:eur": np.array([3.0, 0.0, math.nan]),
}


def test_a_gap_is_the_difference_of_its_orbitals():
    expression = parse_expression("lumo - homo")
    assert expression.columns == ("lumo", "homo")
    np.testing.assert_array_equal(expression.values(COLUMNS), COLUMNS["lumo"] - COLUMNS["homo"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-homo ** 2", -(COLUMNS["homo"] ** 2)),
        ("max(abs(homo), 7, lumo)", [7.9865, 8.8818, 7.0]),
        ("min(lumo, 2) * 2 + 1", [3.1824, 3.0462, 5.0]),
        ("sqrt(exp(log(lumo)) * lumo) / 1e0", COLUMNS["lumo"]),
        ("log10(100 * lumo / lumo)", [2.0, 2.0, 2.0]),
    ],
)
def test_arithmetic_means_what_it_says(text, expected):
    np.testing.assert_allclose(parse_expression(text).values(COLUMNS), expected, rtol=1e-12)


def test_what_is_no_number_is_no_value():
    values = parse_expression('log("price:eur")').values(COLUMNS)
    assert np.isnan(values).tolist() == [False, True, True]
    assert np.isnan(parse_expression("1 / (homo - homo)").values(COLUMNS)).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("homo +", "cannot be read"),
        ("__import__('os').system('true')", "not arithmetic"),
        ("homo.real", "not arithmetic"),
        ("[homo for homo in lumo]", "not arithmetic"),
        ("lambda: homo", "not arithmetic"),
        ("eval(homo)", "no function 'eval'"),
        ("log(homo, lumo)", "log takes 1 arguments, not 2"),
        ("max(homo)", "max takes 2 to 8 arguments"),
        ("homo < lumo", "not arithmetic"),
        ("True + homo", "not arithmetic"),
        ("1 + 2", "reads no column"),
        ("+".join(["homo"] * 300), "more than 200 parts"),
        ("(" * 5000 + "homo" + ")" * 5000, "cannot be read"),
    ],
)
def test_refuses_everything_else_and_says_what_to_write(text, says):
    with pytest.raises(ConfigError, match="expression") as caught:
        parse_expression(text)
    assert says in str(caught.value)
