"""One campaign that nothing disturbed, which all disturbed ones have to agree with."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from machines import Command, Machines, injected

from screener.campaign.settings.config import CampaignConfig, StageConfig
from screener.stores.frozen_toml import to_toml

N_FIRST, N_SECOND = 22, 12  # units of the stages: one row each


@pytest.fixture(scope="session")
def undisturbed(tiny_bundles, small_library, client, tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("undisturbed")
    config = CampaignConfig().with_options(
        stages=[
            StageConfig(bundle=tiny_bundles.direct, unit_rows=1),
            StageConfig(bundle=tiny_bundles.delta, unit_rows=1),
        ],
        finalists=N_SECOND,
        objectives=["minimise:homo_b3lyp_ev", "maximise:gap_gfn2_ev"],
        top=6,
    )
    file = folder / "campaign.toml"
    file.write_text(to_toml(config.model_dump(mode="json")))
    command = Command(
        copy_of(small_library.folder.local_path(), folder / "library"),
        folder / "campaign",
        file,
        client.scheduler.address,
    )
    command.run()
    assert command.accounts().is_balanced
    return SimpleNamespace(config=file, command=command, library=small_library.folder.local_path())


def copy_of(library: Path, folder: Path) -> Path:
    """A library without structures, so that a campaign has to make its own."""
    shutil.copytree(library, folder, ignore=shutil.ignore_patterns("structures"))
    return folder


@pytest.fixture
def machines(tmp_path, request) -> Iterator[Machines]:
    """A parameter says how many seconds a molecule takes more, so that fast machines are not done
    before anything has happened."""
    cluster = Machines(tmp_path, injected(getattr(request, "param", 0.0)))
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def command(undisturbed, machines, tmp_path) -> Command:
    """The same campaign to be run on a cluster that can be killed."""
    library = copy_of(undisturbed.library, tmp_path / "library")
    return Command(library, tmp_path / "campaign", undisturbed.config, machines.address)


@pytest.fixture
def agrees(undisturbed, record_property):
    """See that a disturbed campaign lost nothing, did nothing twice and gives the same answer."""

    def check(command: Command, **figures: object) -> None:
        found, there = command.accounts(), undisturbed.command.accounts()
        assert found.is_balanced
        assert found.final == there.final
        assert found.final.get("mmff94: not done", 0) == 0
        assert command.n_done() == N_FIRST + N_SECOND
        assert command.shortlist() == undisturbed.command.shortlist()
        for name, value in figures.items():
            record_property(name, value)

    return check
