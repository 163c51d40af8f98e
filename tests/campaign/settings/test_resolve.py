"""What a campaign is decided to be, and every reason why one cannot start; nothing is written."""

import logging
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from screener.campaign.settings.config import CampaignConfig, StageConfig
from screener.campaign.settings.differences import differences
from screener.campaign.settings.frozen import FILE, open_setup, read_setup, write_setup
from screener.campaign.settings.resolve import resolve
from screener.campaign.settings.stage_structures import as_asked, structure_settings, unit_rows
from screener.chemistry.standardise import StandardiseSettings
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError, SchemaError, StoreError
from screener.library_build.build import build_library
from screener.models.bundle_files import read_card
from screener.models.shipped import (
    G4MP2_BY_AIMNET2,
    G4MP2_RUNG,
    ORBITALS_BY_AIMNET2,
    QM9_DELTA,
    QM9_DIRECT,
)
from screener.stores.files import Folder


@pytest.fixture
def asked(tiny_bundles, small_library, tmp_path) -> CampaignConfig:
    return CampaignConfig().with_options(
        library=small_library.folder.url,
        out=str(tmp_path / "campaign"),
        stages=[tiny_bundles.direct, tiny_bundles.delta],
        objectives=["minimise:homo_b3lyp_ev"],
        top=3,
    )


def test_defaults_are_filled_in(asked, small_library, tiny_bundles, tmp_path):
    folder, setup = resolve(asked)
    assert folder.url == str(tmp_path / "campaign")
    assert not (tmp_path / "campaign").exists()
    assert (setup.library_digest, setup.n_rows) == (small_library.digest, 22)
    assert [stage.name for stage in setup.stages] == ["mmff94", "gfn2-opt"]
    assert [stage.unit_rows for stage in setup.stages] == [32, 4]
    assert [stage.rows for stage in setup.stages] == [None, 15]
    assert setup.acquisition == setup.ranking
    assert setup.own_columns == {"known_as": "known_as", "price": "price"}


@pytest.mark.parametrize(
    ("level", "n_rows", "expected"),
    [
        *[("mmff94", 1, 32), ("mmff94", 5483, 172), ("mmff94", 10**9, 512)],
        *[("gfn2-opt", 20, 4), ("gfn2-opt", 500, 16), ("gfn2-opt", 10**6, 32)],
    ],
)
def test_units_are_small_in_small_stages_and_bounded_in_large_ones(level, n_rows, expected):
    assert unit_rows(StructureSettings.at(level).seconds, n_rows) == expected


def test_a_rung_whose_low_values_are_given_is_no_stage(asked):
    rung = asked.with_options(stages=["b3lyp-to-g4mp2"])
    with pytest.raises(ConfigError, match="adds to ae0_b3lyp_kcal, which no stage computes"):
        resolve(rung)


def test_paths_are_made_absolute_for_workers_elsewhere(asked, small_library, monkeypatch):
    root = small_library.folder.local_path()
    monkeypatch.chdir(root.parent)
    _, setup = resolve(asked.with_options(library=root.name, out="campaign"))
    assert setup.library == str(root)


def test_a_frozen_campaign_comes_back(asked):
    folder, setup = resolve(asked)
    write_setup(folder, setup)
    assert read_setup(folder) == setup
    write_setup(folder, setup.model_copy(update={"n_rows": 1}))
    assert read_setup(folder) == setup  # frozen


def test_what_is_not_said_is_as_in_the_campaign(asked):
    folder, setup = resolve(asked)
    write_setup(folder, setup)
    assert resolve(CampaignConfig().with_options(out=folder.url))[1] == setup
    _, other = resolve(
        CampaignConfig().with_options(out=folder.url, objectives=["maximise:gap_gfn2_ev"], top=9)
    )
    assert other.compute == setup.compute  # the finalists stay, whatever the shortlist's size
    assert other.ranking_digest != setup.ranking_digest
    assert other.acquisition == setup.acquisition


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"finalists": 7}, r"\n  stage gfn2-opt.rows: 15 in the campaign, 7 now\n"),
        ({"stages": "direct"}, r":\n  stage gfn2-opt: in the campaign, not asked now\nLeave"),
        (
            {"n_conformers": 3},
            r":\n.*\n  stage mmff94.geometry.n_conformers: 1 in the campaign, 3 now\nLeave",
        ),
        ({"acquisition": "price"}, r"acquisition.objectives: .*homo.* campaign, .*price.* now"),
    ],
)
def test_another_computation_is_refused_key_by_key(asked, tiny_bundles, change, line):
    folder, setup = resolve(asked)
    write_setup(folder, setup)
    if "finalists" in change:
        other = asked.with_options(finalists=7)
    elif "acquisition" in change:
        other = CampaignConfig.from_mapping(
            {"out": folder.url, "acquisition": {"objectives": ["minimise:price"]}}, "test"
        )
    elif "n_conformers" in change:
        first = StageConfig(bundle=tiny_bundles.direct, n_conformers=3)
        other = asked.with_options(stages=[first, tiny_bundles.delta])
    else:
        other = asked.with_options(stages=[tiny_bundles.direct])
    with pytest.raises(ConfigError, match=f"(?s){line}"):
        resolve(other)
    assert open_setup(folder) == setup


def test_differences_name_every_key_on_either_side():
    there = {"a": 1, "b": {"c": 2, "d": 3}, "same": [1], "f": {"g": 1}, "x_digest": "9f"}
    now = {"b": {"c": 2, "d": 4}, "e": 5, "same": [1], "h": {"g": 1}, "x_digest": "7a"}
    assert differences(there, now) == [
        "a: 1 in the campaign, nothing now",
        "b.d: 3 in the campaign, 4 now",
        "f: in the campaign, not asked now",
        "x: another one now",
        "e: nothing in the campaign, 5 now",
        "h: asked now, not in the campaign",
    ]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"library": "nowhere"}, StoreError, "nowhere holds no finished library"),
        ({"objectives": ["minimise:homo_b3lyp"]}, ConfigError, "did you mean homo_b3lyp_ev"),
        ({"constraints": ["n_heavi<=3"]}, ConfigError, "unknown column 'n_heavi'.*n_heavy"),
        (
            {"objectives": ["minimise:known_as"]},
            ConfigError,
            "'known_as' is no column of numbers.*'ethylene carbonate' in input.csv:2",
        ),
        ({"objectives": ["minimise:gap_gfn2_ev"]}, ConfigError, "stage mmff94 cannot rank"),
        ({"known_column": "known"}, ConfigError, r"no column 'known'.*did you mean known_as\?"),
        ({"stages": ["no-such-bundle"]}, ConfigError, "there is no bundle no-such-bundle"),
        ({"preset": "solvent"}, ConfigError, "preset 'solvent'.*electrolyte-solvent"),
    ],
)
def test_what_cannot_be_answered_is_refused(asked, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        resolve(asked.with_options(**options))
    assert list(tmp_path.iterdir()) == []


def test_an_input_file_is_no_library(asked, tmp_path):
    file = tmp_path / "my molecules.smi"
    file.write_text("CC#N\n")
    line = f"screener library build '{file}' --out DIR"
    with pytest.raises(ConfigError, match=f"is a file and not a library; make one of it: {line}"):
        resolve(asked.with_options(library=str(file)))


def test_a_bundle_of_another_geometry_level_is_refused(asked, tiny_bundles):
    with pytest.raises(ConfigError, match=r"level mmff94 and refuses .*gfn2-opt"):
        resolve(asked.with_options(stages=[f"{tiny_bundles.direct}@gfn2-opt"]))


def test_values_that_the_bundle_predicts_are_refused(asked, tiny_bundles):
    stage = StageConfig(bundle=tiny_bundles.direct, values=("b3lyp",))
    with pytest.raises(ConfigError, match=r"values b3lyp have .*_b3lyp.*leave out one"):
        resolve(asked.with_options(stages=[stage]))


def test_stages_need_names_of_their_own(asked, tiny_bundles):
    twice = [tiny_bundles.direct, tiny_bundles.direct]
    with pytest.raises(ConfigError, match="two stages are called mmff94"):
        resolve(asked.with_options(stages=twice))
    named = [tiny_bundles.direct, StageConfig(bundle=tiny_bundles.direct, name="again")]
    assert resolve(asked.with_options(stages=named))[1].stages[1].name == "again"


def test_the_first_stage_takes_all_rows(asked, tiny_bundles):
    with pytest.raises(ConfigError, match="the first stage takes the whole library"):
        resolve(asked.with_options(stages=[StageConfig(bundle=tiny_bundles.direct, rows=3)]))


def test_a_folder_with_other_files_is_left_alone(asked, small_library):
    with pytest.raises(ConfigError, match="holds files and is not a campaign"):
        resolve(asked.with_options(out=small_library.folder.url))


def test_a_path_that_cannot_be_a_folder_is_refused(asked, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="Not a directory"):
        resolve(asked.with_options(out=str(tmp_path / "file" / "campaign")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("schema_version = 2", "schema_version = 3"),
            "has schema version 3, this screener reads 2",
        ),
        (("n_rows = ", "n_rows = -"), "was edited"),
        (("[versions]", "[versions"), "was edited"),
    ],
)
def test_a_frozen_file_that_was_changed_is_refused(asked, change, message):
    folder, setup = resolve(asked)
    write_setup(folder, setup)
    path = folder.local_path(FILE)
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(SchemaError, match=message):
        resolve(asked)


def test_a_folder_without_a_campaign_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"is not a campaign.*`screener screen`"):
        open_setup(Folder(str(tmp_path)))


def test_own_columns_with_names_of_ours_are_renamed(asked, client, tmp_path):
    """A column of labels in the input must not be taken for a prediction."""
    (tmp_path / "input.csv").write_text("smiles,homo_b3lyp_ev,rank\nCC#N,-8.9,1\nCOC,-6.4,2\n")
    library = build_library(
        [str(tmp_path / "input.csv")], str(tmp_path / "library"), StandardiseSettings(), client
    )
    _, setup = resolve(asked.with_options(library=library.folder.url))
    assert setup.own_columns == {"homo_b3lyp_ev": "own_homo_b3lyp_ev", "rank": "own_rank"}


def test_own_columns_that_would_break_an_sd_file_are_renamed(asked, client, tmp_path, caplog):
    caplog.handler.setLevel(logging.NOTSET)
    columns = {
        "smiles": ["COC", "CC#N"],
        "x>\n\n$$$$\n": ["a", "b"],
        "x<": ["c", "d"],
        "_Name": ["e", "f"],
        " price ": [1.0, 2.0],
        "plain (1)": [3, 4],
    }
    pq.write_table(pa.table(columns), tmp_path / "input.parquet")
    library = str(tmp_path / "library")
    build_library([str(tmp_path / "input.parquet")], library, StandardiseSettings(), client)
    folder, setup = resolve(asked.with_options(library=library))
    assert setup.own_columns == {
        "x>\n\n$$$$\n": "x_$$$$",
        "x<": "x_",
        "_Name": "own_Name",
        " price ": "price",
        "plain (1)": "plain (1)",
    }
    assert "column '_Name' of the library is called 'own_Name' in the results" in caplog.text
    assert "plain" not in caplog.text
    before = setup.model_copy(update={"own_columns": {name: name for name in setup.own_columns}})
    write_setup(folder, before)  # as it was begun before names were changed
    assert resolve(asked.with_options(library=library))[1].own_columns == before.own_columns


def test_further_levels_of_a_stage_are_frozen_and_asked_again(asked):
    stages = (
        StageConfig(
            bundle=asked.stages[0].bundle,
            values=("gfn2",),
            settings={"mmff94": {"n_conformers": 2}},
        ),
        *asked.stages[1:],
    )
    _, setup = resolve(asked.model_copy(update={"stages": stages}))
    first, last = setup.stages[0].geometry, setup.stages[1].geometry
    assert first is not None
    assert last is not None
    assert (first.value_columns[0], first.n_conformers) == ("energy_gfn2_ha", 2)
    assert last.settings["gfn2-redox"]["solvent"] == "acetonitrile"
    for geometry in (first, last):
        asked_again = StageConfig.model_validate({"bundle": "b", **as_asked(geometry)})
        card = asked_card(geometry.level, geometry.n_conformers)
        assert structure_settings(asked_again, card, are_finalists=True) == geometry
    unknown = stages[0].model_copy(update={"values": ("gfn2-redox",)})
    with pytest.raises(ConfigError, match="gfn2-redox starts from gfn2-opt, so its values cannot"):
        resolve(asked.model_copy(update={"stages": (unknown, *stages[1:])}))


def asked_card(level, n_conformers):
    """As much of a card as structures need."""
    return SimpleNamespace(
        name="b", geometry_level=level, n_conformers=n_conformers, needed_values=()
    )


def test_a_stage_has_the_values_that_its_bundle_adds_to():
    """A delta to GFN2 at the minima of a potential, whose level does not make them."""
    stage = StageConfig(bundle="b")
    delta = read_card(ORBITALS_BY_AIMNET2)
    made = structure_settings(stage, delta, are_finalists=False)
    assert made.values == ("gfn2",)
    asked = StageConfig(bundle="b", **as_asked(made))
    assert structure_settings(asked, delta, are_finalists=False) == made
    for name in (G4MP2_BY_AIMNET2, QM9_DELTA, QM9_DIRECT):
        assert structure_settings(stage, read_card(name), are_finalists=False).values == ()
    assert read_card(G4MP2_RUNG).needed_values == ()  # given, not computed


def test_a_preset_does_not_warn_of_its_own_objectives(asked, tiny_bundles, caplog):
    """It asks for potentials, which finalists alone have; whoever asks for them himself is told."""
    caplog.handler.setLevel(logging.NOTSET)
    values = {name: getattr(asked, name) for name in ("library", "out")}
    stages = [tiny_bundles.direct, tiny_bundles.direct]
    new = CampaignConfig().with_options(
        **values, stages=[StageConfig(bundle=stages[0]), StageConfig(bundle=stages[1], name="b")]
    )
    resolve(new.with_options(preset="electrolyte-solvent"))
    resolve(new)  # which is the same preset
    assert "leaves out" not in caplog.text
    potential = ["maximise:eox_uncorrected_gfn2_v_li"]
    resolve(new.with_options(preset="electrolyte-solvent", objectives=potential))
    assert "stage mmff94 leaves out maximise:eox_uncorrected_gfn2_v_li:low=9.5" in caplog.text
    assert "ae0_b3lyp" not in caplog.text
