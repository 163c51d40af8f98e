import pytest

from screener.errors import ConfigError
from screener.ranking.presets import load_preset, preset_names

OWN = """
top = 7
[[objectives]]
column = "price"
goal = "minimise"
"""


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_loads_and_says_why_each_bound(name):
    settings = load_preset(name)
    assert settings.description
    for asked in (*settings.objectives, *settings.constraints):
        assert len(asked.why) > 40
    for objective in settings.objectives:
        assert "our choice" in objective.why or "20" in objective.why  # a year, or plainly ours


def test_electrolyte_solvent_asks_for_window_dipole_stability_and_size():
    settings = load_preset("electrolyte-solvent")
    assert [(each.column, each.goal) for each in settings.objectives] == [
        ("homo_b3lyp_ev", "minimise"),
        ("lumo_b3lyp_ev", "maximise"),
        ("dipole_b3lyp_debye", "maximise"),
        ("ae0_b3lyp_kcal_per_atom", "maximise"),
        ("n_heavy", "range"),
    ]


def test_an_own_file_is_a_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(OWN)
    settings = load_preset(str(path))
    assert settings.top == 7
    assert settings.objectives[0].by_value


def test_an_unknown_name_lists_the_shipped_ones():
    with pytest.raises(ConfigError, match=r"'electrolyte'.*electrolyte-solvent"):
        load_preset("electrolyte")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"top = ", "not valid TOML"),
        (b"\xff\xfe", "cannot read"),
        (b"top = 3", "objectives: Field required"),
        (OWN.replace("price", "").encode(), "name of the column is empty"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, says):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as caught:
        load_preset(str(path))
    assert str(path) in str(caught.value)
