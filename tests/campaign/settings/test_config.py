"""What can be asked, what is refused, and what is filled in from where."""

import pytest

from screener.campaign.settings.config import (
    CampaignConfig,
    StageConfig,
    read_config,
)
from screener.campaign.settings.ranking import RankingConfig
from screener.errors import ConfigError
from screener.ranking.objectives import parse_constraint, parse_objective
from screener.ranking.presets import load_preset

FILE = """
library = "lib"
finalists = 50
known_column = "known_as"

[[stages]]
bundle = "qm9-mmff94-direct"
unit_rows = 64

[[stages]]
bundle = "qm9-gfn2opt-delta"
wall_clock_seconds = 90

[ranking]
objectives = ["minimise:homo_b3lyp_ev", {column = "n_heavy", goal = "range", low = 3, high = 9}]
constraints = "gap_b3lyp_ev>=5"
top = 10
"""


def test_a_file_says_what_options_can_say(tmp_path):
    path = tmp_path / "campaign.toml"
    path.write_text(FILE)
    config = read_config(str(path))
    assert [stage.unit_rows for stage in config.stages] == [64, None]
    assert config.ranking.objectives[0].column == "homo_b3lyp_ev"
    assert config.ranking.objectives[1].text == "range:n_heavy:low=3,high=9"
    assert config.ranking.constraints == (parse_constraint("gap_b3lyp_ev>=5"),)
    changed = config.with_options(out="out", top=20, objectives=["maximise:lumo_b3lyp_ev"])
    assert changed.ranking.top == 20
    assert changed.ranking.constraints == config.ranking.constraints
    assert [each.text for each in changed.ranking.objectives] == ["maximise:lumo_b3lyp_ev"]
    assert (changed.library, changed.out, changed.finalists) == ("lib", "out", 50)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("finalist = 3", r"campaign.toml: finalist: Extra inputs"),
        ("top\nlibrary = ''", r"campaign.toml is not valid TOML.*line 1"),
        ("[[stages]]\nname = 'x'", r"stages.0.bundle: Field required"),
        ("[[stages]]\nbundle = 'x'\nname = '../x'", r"stage name '../x'"),
        (
            "[[stages]]\nbundle = 'x'\ngeometry = 'b3lyp-opt'",
            r"level b3lyp-opt are given, and never",
        ),
        ("[[stages]]\nbundle = 'x'\ngeometry = 'mmff95'", r"did you mean mmff94"),
        ("[ranking]\nobjectives = ['best:homo_b3lyp_ev']", r"campaign.toml: objective 'best:homo"),
        ("[ranking]\ntop = 0", r"ranking.top"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path, text, message):
    path = tmp_path / "campaign.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_config(str(path))


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        read_config(str(tmp_path / "none.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml is not valid TOML"):
        read_config(str(tmp_path / "binary.toml"))


@pytest.mark.parametrize(
    ("text", "bundle", "level"),
    [
        ("mmff94", "qm9-mmff94-direct", None),
        ("gfn2-opt", "qm9-gfn2opt-delta", None),
        ("my/bundle", "my/bundle", None),
        ("my/bundle@gfn2-opt", "my/bundle", "gfn2-opt"),
        ("user@host/bundle", "user@host/bundle", None),
    ],
)
def test_stages_are_written_short(text, bundle, level):
    stage = StageConfig.parse(text)
    assert (stage.bundle, stage.geometry) == (bundle, level)


def test_an_empty_stage_is_refused():
    with pytest.raises(ConfigError, match="write a geometry level"):
        StageConfig.parse(" ")


def test_what_is_not_said_comes_from_the_campaign_then_the_preset():
    preset = load_preset("electrolyte-solvent")
    assert RankingConfig().settings() == preset
    mine = RankingConfig(objectives=(parse_objective("minimise:homo_b3lyp_ev"),), top=7).settings()
    assert (len(mine.objectives), mine.top) == (1, 7)
    assert RankingConfig().settings(mine) == mine
    assert RankingConfig(top=3).settings(mine).objectives == mine.objectives
    tighter = RankingConfig(constraints=(parse_constraint("n_heavy<=8"),)).settings(mine)
    assert tighter.objectives == mine.objectives
    assert [each.text for each in tighter.constraints] == ["n_heavy<=8"]
    assert tighter.top == 7


def test_objectives_join_a_preset_and_replace_its_own():
    preset = load_preset("electrolyte-solvent")
    column = preset.objectives[0].column
    own = parse_objective(f"range:{column}:low=-9,high=-8")
    added = parse_objective("minimise:n_undefined_stereo:low=0,high=4")
    joined = RankingConfig(preset="electrolyte-solvent", objectives=(own, added)).settings()
    assert [each.column for each in joined.objectives].count(column) == 1
    assert joined.objectives[-2:] == (own, added)
    assert len(joined.objectives) == len(preset.objectives) + 1


def test_numbers_in_options_are_checked():
    with pytest.raises(ConfigError, match="finalists"):
        CampaignConfig().with_options(finalists=0)


def test_the_cluster_is_no_part_of_a_campaign(tmp_path):
    plain, on_slurm = tmp_path / "plain.toml", tmp_path / "slurm.toml"
    plain.write_text('library = "x"\n')
    on_slurm.write_text('library = "x"\n\n[cluster]\nkind = "slurm"\n')
    assert read_config(str(on_slurm)) == read_config(str(plain))
