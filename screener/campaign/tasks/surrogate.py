"""What workers do for a search: fit the surrogate, and ask it about a segment of the library.

These functions read the stage `2d`, the features beside it and the results of the searched stage,
all by their units; what is handed back is what the search chooses from. Running one twice is
harmless.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from screener.campaign.settings.plan import StagePlan, Unit
from screener.campaign.settings.setup import Setup
from screener.campaign.settings.stage import Campaign
from screener.campaign.tasks.prefilter import features_of
from screener.errors import StoreError
from screener.execution.memory import keep_freed_memory
from screener.execution.threads import one_thread
from screener.funnel.acquisition import (
    AcquisitionSettings,
    Chooser,
    acquisition_values,
    expected_above,
    origin_of,
)
from screener.funnel.draws import keys
from screener.funnel.features import Bits, bits_of, joined
from screener.funnel.projection import Projection
from screener.funnel.scoring import TableScorer, learnt
from screener.funnel.search import FIRST, SearchSettings
from screener.funnel.surrogate import Surrogate, fit_surrogate
from screener.inference.table import no_predictions
from screener.models.bundle import open_bundle
from screener.ranking.columns import numbers
from screener.ranking.row_status import (
    OUT_OF_DOMAIN,
    candidates_before_prediction,
    row_status,
)
from screener.stores.files import Folder
from screener.stores.library import open_library
from screener.stores.tensors import read_tensors, write_tensors

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOLDER = "funnel"


@dataclass(frozen=True, slots=True)
class SearchJob:
    """What a worker has to know about a search; small, travels with every task."""

    campaign: str  # URL
    compute_digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A campaign as a worker sees it."""

    campaign: Campaign
    settings: SearchSettings
    drawings: StagePlan  # of `2d`
    quantities: tuple[str, ...]  # what the surrogate learns

    @property
    def folder(self) -> Folder:
        """Of the campaign."""
        return self.campaign.folder

    @property
    def setup(self) -> Setup:
        """Of the campaign."""
        return self.campaign.setup

    def scorer(self, known: pa.Table) -> TableScorer:
        """Makes scores of rows of `2d` and what is predicted for them."""
        return TableScorer(known, self.quantities, self.setup.acquisition)


@lru_cache(maxsize=4)
def opened(job: SearchJob) -> Opened:
    """The campaign, opened once per process.

    Raises:
        StoreError: it is not the one that the search was started with.
    """
    campaign = Campaign.open(Folder(job.campaign))
    setup = campaign.setup
    if setup.compute_digest != job.compute_digest or setup.funnel is None:
        raise StoreError(f"the campaign {job.campaign} has changed since the search was started")
    stage = campaign.searched.settings
    columns = no_predictions(
        open_library(setup.library, setup.library_digest),
        open_bundle(stage.bundle, stage.bundle_digest),
        setup.own_columns,
        stage.has_redox,
    ).column_names
    quantities = learnt(setup.acquisition, columns, setup.certain_columns)
    return Opened(campaign, setup.funnel, campaign.stages[0].plan, quantities)


def draw(job: SearchJob, segment: int, n: int) -> tuple[IntArray, FloatArray]:
    """The first n candidates of a segment in the order of the first sample, and their keys."""
    one_thread()
    it = opened(job)
    parts = [table["row"].to_numpy() for _, table in _candidates(it, it.drawings.segment(segment))]
    rows = np.concatenate([np.empty(0, np.int64), *parts])
    order = keys(rows, it.settings.seed, FIRST)
    first = np.argsort(order, kind="stable")[:n]
    return rows[first], order[first]


def project(job: SearchJob, rows: IntArray) -> str:
    """Fix the directions of the features from a sample; returns the checksum of the file."""
    one_thread()
    it = opened(job)
    library = open_library(it.setup.library, it.setup.library_digest)
    smiles = library.read_rows(np.sort(rows), ["smiles"])["smiles"].to_pylist()
    settings = it.settings
    found = Projection.of(bits_of(smiles), settings.surrogate.n_dims, settings.seed)
    tensors = {"directions": found.directions, "origin": found.origin}
    return write_tensors(it.folder, f"{FOLDER}/projection.safetensors", tensors, {})


def fit(job: SearchJob, number: int, projection: str) -> str:
    """Fit the surrogate of batch `number`; returns the checksum of the file."""
    one_thread()
    keep_freed_memory()
    it = opened(job)
    plan = it.campaign.searched.plan
    parts = [_results(it, plan, batch) for batch in range(number)]
    points = _projection(job, projection)(joined([bits for bits, _, _ in parts]))
    scores = np.concatenate([scores for _, _, scores in parts])
    surrogate = fit_surrogate(
        points,
        np.concatenate([targets for _, targets, _ in parts]),
        scores,
        it.settings.surrogate,
        it.settings.seed,
    )
    tensors = {
        "inducing": surrogate.inducing.numpy(),
        "weights": surrogate.weights.numpy(),
        "centre": surrogate.centre,
        "spread": surrogate.spread,
    }
    told = {
        "scale": surrogate.scale,
        "n_members": surrogate.n_members,
        "may_fail": surrogate.may_fail,
        "origin": origin_of(parts[FIRST][2]),
    }
    return write_tensors(it.folder, _surrogate_file(number), tensors, told)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Where a surrogate lies; travels with every task that asks it."""

    number: int  # of the batch that it is for
    checksum: str
    projection: str  # checksum


def choose(job: SearchJob, fitted: Fitted, segment: int, taken: IntArray, size: int) -> Chooser:
    """What a segment offers to a batch.

    Args:
        job: the search.
        fitted: the surrogate.
        segment: of the plan of `2d`.
        taken: int64, ascending, rows that were chosen before.
        size: of the batch.
    """
    one_thread()
    keep_freed_memory()
    it = opened(job)
    settings = it.settings
    chooser = Chooser(size, settings.acquisition.exploration, settings.seed, fitted.number)
    for table, values in _values(job, fitted, segment, taken, settings.acquisition):
        chooser.add(values, table["mol_id"].to_pylist(), table["row"].to_numpy())
    return chooser


def promise(
    job: SearchJob, fitted: Fitted, segment: int, taken: IntArray
) -> tuple[IntArray, FloatArray]:
    """The candidates of a segment that are not taken, ascending, and how promising each is."""
    one_thread()
    keep_freed_memory()
    found = list(_values(job, fitted, segment, taken, AcquisitionSettings()))
    return (
        np.concatenate([np.empty(0, np.int64), *(table["row"].to_numpy() for table, _ in found)]),
        np.concatenate([np.empty(0), *(values for _, values in found)]),
    )


def gain(job: SearchJob, fitted: Fitted, rows: IntArray, threshold: float) -> float:
    """How many of these rows are expected to have a score above the threshold."""
    one_thread()
    it = opened(job)
    surrogate, _ = _surrogate(job, fitted.number, fitted.checksum)
    total = 0.0
    for unit, table in _candidates(it, list(it.drawings.holding(rows))):
        wanted = table.filter(pc.is_in(table["row"], pa.array(rows, pa.int64())))
        points = _points(job, it, unit, wanted, fitted.projection)
        scorer = it.scorer(wanted).scorer
        total += expected_above(surrogate.predict(points), scorer, threshold)
    return total


def _candidates(it: Opened, units: list[Unit]) -> Iterator[tuple[Unit, pa.Table]]:
    """Of each unit of `2d` the rows that can be chosen."""
    stored = it.campaign.stages[0].stored_units(it.drawings, units)
    for unit, found in zip(units, stored, strict=True):
        mask = candidates_before_prediction(found.predictions, it.setup.acquisition)
        yield unit, found.predictions.filter(pa.array(mask))


def _values(
    job: SearchJob, fitted: Fitted, segment: int, taken: IntArray, settings: AcquisitionSettings
) -> Iterator[tuple[pa.Table, FloatArray]]:
    """Of each unit what is left, and its acquisition values."""
    it = opened(job)
    surrogate, origin = _surrogate(job, fitted.number, fitted.checksum)
    for unit, table in _candidates(it, it.drawings.segment(segment)):
        rows = table["row"].to_numpy()
        left = np.isin(rows, taken, invert=True)
        table, rows = table.filter(pa.array(left)), rows[left]
        if len(rows):
            found = surrogate.predict(_points(job, it, unit, table, fitted.projection))
            yield (
                table,
                acquisition_values(
                    found,
                    it.scorer(table).scorer,
                    rows,
                    settings,
                    it.settings.seed,
                    fitted.number,
                    origin,
                ),
            )


def _points(
    job: SearchJob, it: Opened, unit: Unit, table: pa.Table, projection: str
) -> NDArray[np.float32]:
    """Projected features of some rows of a unit of `2d`."""
    library = open_library(it.setup.library, it.setup.library_digest)
    folder = it.campaign.stages[0].structures
    bits = features_of(folder.url, unit.name, library, unit.rows)
    places = np.searchsorted(unit.rows, table["row"].to_numpy())
    return _projection(job, projection)(bits.take(places))


def _results(it: Opened, plan: StagePlan, batch: int) -> tuple[Bits, FloatArray, FloatArray]:
    """Features, quantities and scores of a batch's rows, ascending.

    Rows without values, out of domain or quarantined, are NaN; constraints on what is predicted
    are passed over.
    """
    rows = np.asarray(plan.batches[batch])
    library = open_library(it.setup.library, it.setup.library_digest)
    bits = features_of(it.folder.child(f"{FOLDER}/features").url, f"{batch:05d}", library, rows)
    targets = np.full((len(rows), len(it.quantities)), np.nan)
    scores = np.full(len(rows), np.nan)
    unlimited = it.setup.acquisition.model_copy(update={"constraints": ()})
    for unit in it.campaign.searched.stored_units(plan, plan.holding(rows)):
        table = unit.predictions
        status = row_status(table, unlimited)
        inside = status.code != OUT_OF_DOMAIN
        places = np.searchsorted(rows, table["row"].to_numpy())
        values = np.column_stack([numbers(table, name) for name in it.quantities])
        targets[places] = np.where(inside[:, None], values, np.nan)
        scores[places] = status.score
    return bits, targets, scores


@lru_cache(maxsize=2)
def _projection(job: SearchJob, checksum: str) -> Projection:
    folder = Folder(job.campaign)
    tensors, _ = read_tensors(folder, f"{FOLDER}/projection.safetensors", checksum)
    return Projection(tensors["directions"], tensors["origin"])


@lru_cache(maxsize=2)
def _surrogate(job: SearchJob, number: int, checksum: str) -> tuple[Surrogate, float]:
    folder = Folder(job.campaign)
    tensors, told = read_tensors(folder, _surrogate_file(number), checksum)
    surrogate = Surrogate(
        torch.from_numpy(tensors["inducing"]),
        told["scale"],
        torch.from_numpy(tensors["weights"]),
        told["n_members"],
        tensors["centre"],
        tensors["spread"],
        told["may_fail"],
    )
    return surrogate, told["origin"]


def _surrogate_file(number: int) -> str:
    return f"{FOLDER}/surrogate-{number:05d}.safetensors"
