"""What a campaign would take, from a few of its own molecules run for real.

The sample goes through the very functions that the tasks call, with stores in memory, so that what
is measured is what will run, and nothing is written.
"""

import time
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np
import psutil
from numpy.typing import NDArray

from screener.campaign.driver.candidates import PART_ROWS
from screener.campaign.settings.config import CampaignConfig
from screener.campaign.settings.job import StageJob
from screener.campaign.settings.plan import StagePlan, Unit
from screener.campaign.settings.resolve import resolve
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.campaign.settings.user_table import keep_joined
from screener.campaign.tasks import predict, prefilter
from screener.funnel.settings import SearchSettings
from screener.funnel.surrogate import fit_surrogate
from screener.stores.files import Folder, to_parquet
from screener.stores.library import LibraryStore, open_library
from screener.stores.mol_ids import MolIds, mol_ids_of, unit_of
from screener.stores.predictions import PredictionStore
from screener.stores.remote import filesystem_of
from screener.stores.runs import runs_of
from screener.stores.structures import StructureStore
from screener.structures.make import are_made
from screener.waiting import waiting

N_SAMPLE = 32
_SCHEDULING_SECONDS = 0.05  # per unit: submission, receipt and folder look-ups
_DRIVER_BYTES_PER_UNIT = 200  # the name of a unit that is done


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """What one stage would take."""

    name: str
    n_rows: int
    n_units: int
    n_units_done: int
    structure_seconds: float  # per molecule on one core
    prediction_seconds: float  # per molecule on one core
    seconds: float  # wall time of what is left, on all workers
    n_bytes: int  # structures, predictions and receipts of what is left
    n_failed: int  # of the sample


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a campaign would take."""

    n_sample: int
    n_workers: int
    stages: tuple[StageEstimate, ...]
    worker_bytes: int  # memory of one worker with its chemistry process
    driver_bytes: int  # memory of client and scheduler

    @property
    def seconds(self) -> float:
        """Wall time of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def n_bytes(self) -> int:
        """Disk space of all stages."""
        return sum(stage.n_bytes for stage in self.stages)


def estimate(config: CampaignConfig, n_workers: int, n_sample: int = N_SAMPLE) -> Estimate:
    """Measure a sample and say what the campaign would take; writes nothing.

    Args:
        config: what is asked.
        n_workers: worker threads that it would run on.
        n_sample: molecules, spread evenly over the library.
    Returns:
        what was measured and what follows from it, stage by stage.
    Raises:
        ConfigError: the campaign cannot start as asked.
    """
    folder, setup = resolve(config)
    campaign = Campaign(folder, setup)
    n_sample = min(n_sample, setup.n_rows)
    with waiting(
        f"the measurement of {n_sample} molecules in each of {len(campaign.stages)} stages",
        "It runs in this process alone; a stage of GFN2 geometries takes a minute or two.",
    ):
        return _measured(campaign, n_sample, n_workers)


def _measured(campaign: Campaign, n_sample: int, n_workers: int) -> Estimate:
    """See `estimate`.

    Args:
        campaign: that is asked, which need not have begun.
        n_sample: molecules, no more than there are.
        n_workers: worker threads that it would run on.
    """
    setup = campaign.setup
    rows = np.unique(np.linspace(0, setup.n_rows - 1, n_sample).astype(np.int64))
    stages = tuple(
        _drawings(stage, rows, n_workers) if stage.is_drawn else _stage(stage, rows, n_workers)
        for stage in campaign.stages
    )
    if setup.funnel is not None:
        stages = (stages[0], _surrogate(setup, setup.funnel, n_workers), *stages[1:])
    this = psutil.Process()
    own_bytes = this.memory_info().rss  # of a process that has loaded what a client loads
    in_children = (child.memory_info().rss for child in this.children(recursive=True))
    n_units = sum(stage.n_units for stage in stages)
    return Estimate(
        n_sample=len(rows),
        n_workers=n_workers,
        stages=stages,
        worker_bytes=own_bytes + sum(in_children),
        driver_bytes=own_bytes + _DRIVER_BYTES_PER_UNIT * n_units,
    )


def _stage(stage: CampaignStage, rows: NDArray[np.int64], n_workers: int) -> StageEstimate:
    """A stage that predicts.

    Args:
        stage: of the campaign.
        rows: int64 (n,), the sample.
        n_workers: worker threads that it would run on.
    """
    settings = stage.settings
    plan = stage.read_plan() or StagePlan.whole(
        "", stage.n_entering, settings.unit_rows, settings.segment_units
    )
    n_done = len(stage.store.receipts.done())
    n_rows_left = max(0, plan.n_rows - n_done * settings.unit_rows)
    n_units_left = plan.n_units - n_done
    n_missing = n_rows_left
    if settings.rows is None:  # of rows chosen later nobody knows which have structures already
        n_missing = round(n_rows_left * _missing_share(stage, plan, rows))

    memory = Folder(f"memory://screener-{uuid4().hex}")
    job = _in_memory(stage, memory)
    try:
        first, rest = Unit(0, "first", runs_of(rows[:1])), Unit(1, "rest", runs_of(rows))
        made_first = predict.prepare(
            job, first
        )  # starts the chemistry process and loads the bundle
        predict.predict(job, first, made_first, None)
        made = predict.prepare(job, rest)
        started = time.perf_counter()
        receipt = predict.predict(job, rest, made, None)
        prediction_seconds = (time.perf_counter() - started) / len(rows)
        structure_seconds = made.seconds / max(1, made.n_made)
        store = PredictionStore(Folder(job.campaign), stage.name)
        table = store.read(receipt)
        fixed = len(to_parquet(table.slice(0, 0))) + len(str(receipt))
        per_row = (len(to_parquet(table)) - len(to_parquet(table.slice(0, 0)))) / len(rows)
        per_structure = _size(job.structures) / len(rows)
    finally:
        memory.clear()
    seconds = (
        n_missing * structure_seconds
        + n_rows_left * prediction_seconds
        + n_units_left * _SCHEDULING_SECONDS
    )
    slots = max(1, min(n_workers, n_units_left))
    return StageEstimate(
        name=stage.name,
        n_rows=plan.n_rows,
        n_units=plan.n_units,
        n_units_done=n_done,
        structure_seconds=structure_seconds,
        prediction_seconds=prediction_seconds,
        seconds=seconds / slots,
        n_bytes=round(n_units_left * fixed + n_rows_left * per_row + n_missing * per_structure),
        n_failed=receipt.counts["quarantined"],
    )


def _missing_share(stage: CampaignStage, plan: StagePlan, rows: NDArray[np.int64]) -> float:
    """Which share of the molecules of a sample has no structure yet.

    Args:
        stage: that works on all rows.
        plan: of it.
        rows: int64 (n,), the sample, ascending.
    """
    store = StructureStore(stage.structures)
    library = open_library(stage.setup.library, stage.setup.library_digest)

    def keys_of(wanted: NDArray[np.int64]) -> MolIds:
        return mol_ids_of(library.read_rows(wanted, ["mol_id"])["mol_id"].to_pylist())

    is_made = np.array(are_made(store, keys_of(rows)))
    for unit in plan.holding(rows[~is_made]):  # what was made since the index was
        if store.has(unit_of(keys_of(unit.rows))):
            is_made |= np.isin(rows, unit.rows)
    return float(1.0 - is_made.mean())


def _drawings(stage: CampaignStage, rows: NDArray[np.int64], n_workers: int) -> StageEstimate:
    """The stage `2d`, all of whose work depends on the drawing alone; arguments as `_stage`."""
    plan = stage.plan
    n_done = len(stage.store.receipts.done())
    n_units_left = plan.n_units - n_done
    n_rows_left = max(0, plan.n_rows - n_done * stage.settings.unit_rows)
    memory = Folder(f"memory://screener-{uuid4().hex}")
    job = _in_memory(stage, memory)
    try:
        prefilter.screen(job, Unit(0, "first", runs_of(rows[:1])))  # loads the bundle
        started = time.perf_counter()
        receipt = prefilter.screen(job, Unit(1, "rest", runs_of(rows)))
        seconds_each = (time.perf_counter() - started) / len(rows)
        n_bytes = _size(memory.url) / len(rows)
    finally:
        memory.clear()
    seconds = n_rows_left * seconds_each + n_units_left * _SCHEDULING_SECONDS
    return StageEstimate(
        name=stage.name,
        n_rows=plan.n_rows,
        n_units=plan.n_units,
        n_units_done=n_done,
        structure_seconds=0.0,
        prediction_seconds=seconds_each,
        seconds=seconds / max(1, min(n_workers, n_units_left)),
        n_bytes=round(n_rows_left * n_bytes),
        n_failed=receipt.counts["quarantined"],
    )


def _surrogate(setup: Setup, funnel: SearchSettings, n_workers: int) -> StageEstimate:
    """Fits, and predictions of the whole library before each batch but the first."""
    generator = np.random.default_rng(0)
    n_fitted = min(funnel.budget, 2 * funnel.surrogate.n_inducing)
    points = generator.standard_normal((n_fitted, funnel.surrogate.n_dims)).astype(np.float32)
    started = time.perf_counter()
    targets = points[:, :2].astype(np.float64)
    surrogate = fit_surrogate(points, targets, targets[:, 0], funnel.surrogate, 0)
    fitted = time.perf_counter()
    surrogate.predict(points)
    seconds_each = (time.perf_counter() - fitted) / len(points)
    n_fits = funnel.n_batches + 1
    n_tasks = -(-setup.n_rows // PART_ROWS)
    slots = max(1, min(n_workers, n_tasks))
    predicting = setup.n_rows * seconds_each + n_tasks * _SCHEDULING_SECONDS
    return StageEstimate(
        name="surrogate",
        n_rows=n_fits * setup.n_rows,
        n_units=n_fits * n_tasks,
        n_units_done=0,
        structure_seconds=0.0,
        prediction_seconds=seconds_each,
        seconds=n_fits * (fitted - started + predicting / slots),
        n_bytes=0,
        n_failed=0,
    )


def _in_memory(stage: CampaignStage, memory: Folder) -> StageJob:
    """The job of a stage, with everything that it writes in memory."""
    setup, folder = stage.setup, memory.child("campaign")
    if setup.joined is not None:
        keep_joined(folder, setup.joined, LibraryStore.open(setup.library))
    job = Campaign(folder, setup).stages[stage.index].job
    # what the stage before said of the sample is not measured again
    return replace(job, structures=memory.child("structures").url, earlier=None)


def _size(url: str) -> int:
    filesystem, path = filesystem_of(url)
    return int(filesystem.du(path))
