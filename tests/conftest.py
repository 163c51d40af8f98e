"""What tests of campaigns share: small fitted bundles, a small library, one cluster.

Molecules and code are real; only the labels that the bundles are fitted on are made up, from the
composition and the size of each structure, because real ones take hours.
"""

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import forked
import hypothesis
import numpy as np
import pytest
import small_campaign
from distributed import Client
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from screener.campaign.driver.run import run_campaign
from screener.campaign.driver.stage_run import Progress
from screener.campaign.settings.config import CampaignConfig, StageConfig
from screener.campaign.tasks import WORKER_IMPORTS
from screener.chemistry.identity import mol_id
from screener.chemistry.standardise import StandardiseSettings
from screener.chemistry.structures import StructureSettings, make_structure
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.execution.threads import one_thread
from screener.library_build.build import build_library
from screener.records import Structure
from screener.stores.library import LibraryStore
from screener.training.fit.data import FitData, FitSets, FitSettings
from screener.training.fit.save import save_bundle
from screener.training.fit.sparse_gp import fit_model
from screener.training.g4mp2.reference import VARIABLE
from screener.training.qm9.train import qm9_targets

pytest_plugins = ["model_fixtures"]  # of models and of their fits

hypothesis.settings.register_profile("untimed", deadline=None)  # machines are shared
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    one_thread()  # as tasks have; several processes of tests share the cores


class Together(LoadScopeScheduling):
    """Which tests share a process where there are several, and with it what is made for them: those
    of a module, or of a folder with a server; those of faults have clusters of their own.

    Marks of `xdist_group` would say the same, but xdist 3.8 does not see them with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        folder = module.rpartition("/")[0]
        if folder == "tests/faults":
            return nodeid
        return folder if folder in ("tests/s3", "tests/slurm") else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    return Together(config, log)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("reference_data") and not os.environ.get(VARIABLE):
        pytest.skip(f"{VARIABLE} is not set, so there is no reference data")


@pytest.fixture(autouse=True)
def _forks_local_clusters(request: pytest.FixtureRequest) -> Iterator[None]:
    """But where clusters themselves are looked at."""
    if request.node.nodeid.startswith("tests/cluster/"):
        yield
    else:
        with forked.in_local_clusters():
            yield


@pytest.fixture(autouse=True)
def _hears_warnings(caplog: pytest.LogCaptureFixture) -> None:
    """`caplog` has the level that a test before has left at its handler."""
    caplog.handler.setLevel(logging.NOTSET)


# Small molecules, so that GFN2 takes little time; every bonding pattern of the library is there.
FITTED_ON = [
    "COC",
    "COCC",
    "CCOCC",
    "COCOC",
    "C1CCOC1",
    "C1COCO1",
    "C1COCCO1",
    "OCCO",
    "CCO",
    "CO",
    "CC#N",
    "CCC#N",
    "COCC#N",
    "CC(C)C#N",
    "N#CCCC#N",
    "COC=O",
    "CCOC=O",
    "COC(C)=O",
    "CCOC(C)=O",
    "COC(=O)OC",
    "CCOC(=O)OC",
    "O=C1OCCO1",
    "CC1COC(=O)O1",
    "O=C1CCCO1",
    "COC(=O)CC",
    "CC(C)=O",
    "CCC(C)=O",
    "CC=O",
    "CN(C)C=O",
    "CC(=O)N(C)C",
    "CNC(C)=O",
    "CN(C)C",
    "CCN",
    "CC",
    "CCC",
    "CC(C)C",
]

LIBRARY = """smiles,name,known_as,price
O=C1OCCO1,EC,ethylene carbonate,3
COC(=O)OC,DMC,dimethyl carbonate,1
CC#N,ACN,acetonitrile,2
COCCOC,DME,,4
C1CCOC1,THF,,
C1COCO1,DOL,,5
C1OCOC1,DOL again,,5
O=C1OCC(F)O1,FEC,fluoroethylene carbonate,9
CCOC(C)=O,EA,,1
CC1COC(=O)O1,PC,,2
O=C1CCCO1,GBL,,2
CCC#N,PN,,2
not a molecule,nonsense,,1
COC=O,MF,,1
CC(C)C#N,IBN,,3
CC1([C@H]2CC[C@]1(C(=O)C2)C)C,inside out,,1
COC(C)=O,MA,,1
CCOC=O,EF,,1
CN(C)C=O,DMF,,2
CC(C)=O,acetone,,1
CCOCC,DEE,,1
COCOC,DMM,,1
N#CCCC#N,GLN,,6
OCCO,glycol,,1
"""


def labels(structures: list[Structure]) -> dict[str, np.ndarray]:
    """Made up, smooth in the structure: one row per column."""
    counts = np.array(
        [[np.sum(s.atomic_numbers == number) for number in (1, 6, 7, 8)] for s in structures]
    )
    spread = np.array([np.linalg.norm(s.positions - s.positions.mean(0)) for s in structures])
    size = counts.sum(axis=1)
    return {
        "ae0_b3lyp_kcal": counts @ np.array([95.0, 110.0, 80.0, 85.0]) - spread,
        "homo_b3lyp_ev": -9.0 + counts[:, 1] * 0.2 + 3.0 * counts[:, 3] / size,
        "lumo_b3lyp_ev": 2.0 - 9.0 * counts[:, 3] / size + 0.05 * spread,
        "dipole_b3lyp_debye": 1.0 + 8.0 * (counts[:, 2] + counts[:, 3]) / size,
    }


def fit_bundle(folder: Path, kind: str, level: str, smiles: list[str]) -> str:
    """Fit a small bundle and write it; returns its path."""
    one_thread()
    geometry = StructureSettings(level=level)
    structures = [make_structure(text, mol_id(text), geometry) for text in smiles]
    parts = [FitData(part, labels(part)) for part in (structures, structures[::3], structures)]
    settings = FitSettings(
        n_inducing=120,
        n_components=16,
        widths=(4.0,),
        n_leading=20,
        ridges=(1e-4, 1e-2),
        min_seen=1,
        outside=0.001,
    )
    targets = qm9_targets("gfn2" if kind == "delta" else None)
    fitted = fit_model(FitSets(*parts, targets, level), settings)
    save_bundle(
        folder,
        fitted,
        name=f"tiny-{kind}",
        n_conformers=1,
        data={},
        splits={},
        seeds={},
        metrics={},
        golden=structures[:2],
    )
    return str(folder)


@pytest.fixture(scope="session")
def tiny_bundles(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Paths of a direct bundle at `mmff94` and a delta bundle at `gfn2-opt`."""
    folder = tmp_path_factory.mktemp("bundles")
    return SimpleNamespace(
        direct=fit_bundle(folder / "direct", "direct", "mmff94", FITTED_ON),
        delta=fit_bundle(folder / "delta", "delta", "gfn2-opt", FITTED_ON),
    )


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """Three worker processes, shared by all tests that need a cluster and leave it as it is."""
    with ExitStack() as stack:
        with forked.in_local_clusters():
            client = stack.enter_context(connect(LocalSettings(workers=3), WORKER_IMPORTS))
        yield client


@pytest.fixture(scope="session")
def small_library(tmp_path_factory: pytest.TempPathFactory, client: Client) -> LibraryStore:
    """A library of real molecules with all that can happen to one; without structures."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "input.csv").write_text(LIBRARY)
    return build_library(
        [str(folder / "input.csv")], str(folder / "library"), StandardiseSettings(), client
    )


@pytest.fixture(scope="session")
def local_campaign(client: Client, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A small campaign in local folders, for reading; see `small_campaign.in_local_folders`."""
    return small_campaign.in_local_folders(tmp_path_factory.mktemp("local"), client)


class Finished(SimpleNamespace):
    """A campaign that ran to its end: `folder`, `library` (URL), `config`, `progress`."""

    def copy_of_library(self, folder: Path) -> str:
        """The library without structures, so that another campaign has to make its own."""
        shutil.copytree(self.library, folder, ignore=shutil.ignore_patterns("structures"))
        return str(folder)


@pytest.fixture(scope="session")
def finished(
    tiny_bundles: SimpleNamespace,
    small_library: LibraryStore,
    client: Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> Finished:
    """A campaign of one session on three workers, for reading; 22 rows, 10 finalists, top 4."""
    folder = tmp_path_factory.mktemp("finished") / "campaign"
    config = CampaignConfig().with_options(
        stages=[
            StageConfig(bundle=tiny_bundles.direct, unit_rows=4),
            StageConfig(bundle=tiny_bundles.delta, unit_rows=2),
        ],
        finalists=10,
        objectives=[
            "minimise:homo_b3lyp_ev",
            "maximise:gap_gfn2_ev",
            "minimise:price:low=0,high=9",
        ],
        constraints=["n_heavy<=7"],
        top=4,
        known_column="known_as",
    )
    seen: list[Progress] = []
    run_campaign(
        config.with_options(library=small_library.folder.url, out=str(folder)),
        client,
        progress=seen.append,
        command=["screener", "screen"],
    )
    return Finished(folder=folder, library=small_library.folder.url, config=config, progress=seen)
