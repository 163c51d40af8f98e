"""Molecules that crash, devour memory or never end cost themselves alone."""

import random
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from machines import SOAK, Command, Machines, injected

from screener.campaign.settings.config import CampaignConfig, StageConfig
from screener.chemistry.standardise import StandardiseSettings
from screener.library_build.build import build_library
from screener.stores.frozen_toml import to_toml
from screener.stores.library import LibraryStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]  # of seconds; on a machine that does other things too
N_EACH = 10 if SOAK else 1
CODES = {"crashes": "crashed", "devours": "out_of_memory", "hangs": "timed_out"}
WALL_CLOCK_SECONDS = 30.0  # enough for slow machines to fill the memory that a molecule may have
ENDS = ("O", "C#N", "OC", "C(C)=O", "OC=O")
CHAINS = [f"{'C' * n}{end}" for n in range(2, 12) for end in ENDS]


@pytest.fixture
def library(tmp_path, client) -> LibraryStore:
    (tmp_path / "input.smi").write_text("\n".join(CHAINS))
    return build_library(
        [str(tmp_path / "input.smi")], str(tmp_path / "library"), StandardiseSettings(), client
    )


@pytest.fixture
def config(tiny_bundles, tmp_path) -> Path:
    stage = StageConfig(
        bundle=tiny_bundles.direct, unit_rows=10, wall_clock_seconds=WALL_CLOCK_SECONDS
    )
    config = CampaignConfig().with_options(
        stages=[stage], objectives=["minimise:homo_b3lyp_ev"], top=20
    )
    file = tmp_path / "campaign.toml"
    file.write_text(to_toml(config.model_dump(mode="json")))
    return file


def test_each_is_set_aside_with_its_cause_and_no_other(library, config, tmp_path):
    molecules = library.read_range(0, library.n_rows, ["smiles", "mol_id"]).to_pylist()
    chosen = random.Random(3).sample(molecules, 3 * N_EACH)
    fates = {row["smiles"]: fate for row, fate in zip(chosen, [*CODES] * N_EACH, strict=True)}
    machines = Machines(tmp_path, injected(fates=fates))
    try:
        machines.start_workers(2)
        campaign = tmp_path / "campaign"
        command = Command(library.folder.local_path(), campaign, config, machines.address)
        started = time.monotonic()
        command.run()
        print(f"{len(fates)} poisonous molecules among 50: {time.monotonic() - started:.0f} s")
    finally:
        machines.stop()
    aside = {
        row["mol_id"]: row["code"]
        for path in (campaign / "quarantine" / "mmff94").iterdir()
        for row in pq.read_table(path).to_pylist()
    }
    assert aside == {row["mol_id"]: CODES[fates[row["smiles"]]] for row in chosen}
    assert command.accounts().is_balanced
    predicted = [
        row
        for path in (campaign / "predictions" / "mmff94").iterdir()
        for row in pq.read_table(path)["mol_id"].to_pylist()
    ]
    assert sorted([*predicted, *aside]) == sorted(row["mol_id"] for row in molecules)
