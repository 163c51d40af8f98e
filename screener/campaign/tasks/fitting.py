"""What workers do to fit a search's surrogate: results, a basis, moments part by part, a solution.

No task sees the points of all evaluated molecules at once. What became of a batch is gathered part
by part and kept:

    funnel/results/<batch>-<part>.parquet · funnel/features/<batch>-<part>.parquet

and of each fit the surrogate, `funnel/surrogate-<batch>.safetensors`; what lies in
`funnel/fit-<batch>/` in between goes afterwards. Running a task twice is harmless.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from screener.campaign.settings.plan import StagePlan
from screener.campaign.tasks.prefilter import features_of
from screener.campaign.tasks.searching import FOLDER, OpenSearch, SearchJob, open_search
from screener.errors import StoreError
from screener.execution.memory import keep_freed_memory
from screener.execution.threads import one_thread
from screener.funnel.acquisition import origin_of
from screener.funnel.features import bits_of
from screener.funnel.projection import Projection
from screener.funnel.search import FIRST
from screener.funnel.surrogate import (
    Basis,
    Moments,
    Surrogate,
    SurrogateFit,
    moments,
    parts_of,
    total,
)
from screener.ranking.columns import numbers
from screener.ranking.row_status import OUT_OF_DOMAIN, row_status
from screener.stores.files import Folder
from screener.stores.runs import with_rows
from screener.stores.tensors import read_tensors, write_tensors

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RESULT_ROWS = 8192  # of a batch, whose results are gathered and kept together
_PROJECTION = "projection.safetensors"


@dataclass(frozen=True, slots=True)
class Fitted:
    """Where a surrogate lies; travels with every task that asks it."""

    number: int  # of the batch that it is for
    checksum: str
    projection: str  # checksum


def project(job: SearchJob, rows: IntArray) -> str:
    """Fix the directions of the features from a sample of rows; returns the file's checksum."""
    one_thread()
    search = open_search(job)
    smiles = search.library.read_rows(np.sort(rows), ["smiles"])["smiles"].to_pylist()
    settings = search.settings
    projection = Projection.of(bits_of(smiles), settings.surrogate.n_dims, settings.seed)
    tensors = {"directions": projection.directions, "origin": projection.origin}
    return write_tensors(search.folder, _PROJECTION, tensors, {})


def gather(job: SearchJob, batch: int, part: int) -> None:
    """Keep what became of a part of a batch, all of whose rows are evaluated.

    Rows without values, out of domain or quarantined, are NaN. `learnt_score` passes over
    constraints on what is predicted, `score` is that of the campaign.

    Args:
        job: the search.
        batch: its number.
        part: of the batch.
    """
    one_thread()
    keep_freed_memory()
    search = open_search(job)
    stage = search.campaign.searched
    plan = _plan(job, batch + 1)
    rows = _rows_of_part(np.asarray(plan.batches[batch]), part)
    if _is_kept(search.folder, _result_file(batch, part), rows):
        return
    targets = np.full((len(rows), len(search.quantities)), np.nan)
    learnt_scores, scores = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    settings = search.setup.acquisition
    unlimited = settings.model_copy(update={"constraints": ()})
    for stored in stage.stored_units(plan, plan.holding(rows)):
        table = with_rows(stored.predictions, rows)
        if not table.num_rows:
            continue
        status = row_status(table, unlimited)
        inside = status.code != OUT_OF_DOMAIN
        places = np.searchsorted(rows, table["row"].to_numpy())
        values = np.column_stack([numbers(table, name) for name in search.quantities])
        targets[places] = np.where(inside[:, None], values, np.nan)
        learnt_scores[places] = status.score
        scores[places] = row_status(table, settings).score
    columns = {"row": rows, "learnt_score": learnt_scores, "score": scores}
    columns |= {f"target_{i}": column for i, column in enumerate(targets.T)}
    search.folder.write_table(_result_file(batch, part), pa.table(columns))
    features_of(_features(search.folder), _part_name(batch, part), search.library, rows)


def fit_basis(job: SearchJob, number: int, projection: str) -> str:
    """The basis of the fit for batch `number`; returns the checksum of its file.

    Args:
        job: the search.
        number: of the batch.
        projection: checksum of the projection.
    Returns:
        SHA-256 (hex) of its file.
    """
    one_thread()
    keep_freed_memory()
    search = open_search(job)
    results = _results(job, number)
    fit = results.fit()
    basis = fit.basis(
        results.points(job, projection, fit.inducing),
        results.points(job, projection, fit.for_scale),
    )
    tensors = {"inducing": basis.inducing.numpy()}
    return write_tensors(search.folder, _basis_file(number), tensors, {"scale": basis.scale})


def fit_moments(job: SearchJob, number: int, projection: str, basis: str, part: int) -> str:
    """The moments of one part of all evaluated molecules.

    Args:
        job: the search.
        number: of the batch that the fit is for.
        projection, basis: checksums.
        part: its place among `parts_of`.
    Returns:
        the checksum of the file with the moments.
    """
    one_thread()
    keep_freed_memory()
    search = open_search(job)
    results = _results(job, number)
    rows = np.arange(results.n)[parts_of(results.n)[part]]
    moments_of_part = moments(
        _read_basis(search, number, basis),
        results.points(job, projection, rows),
        results.standard[rows],
    )
    tensors = {name: getattr(moments_of_part, name).numpy() for name in _MOMENTS}
    return write_tensors(search.folder, _moments_file(number, part), tensors, {})


def fit_solution(job: SearchJob, number: int, basis: str, parts: Sequence[str]) -> str:
    """The surrogate for batch `number`, from the moments of all parts.

    Args:
        job: the search.
        number: of the batch.
        basis: checksum.
        parts: checksums of the moments, part by part.
    Returns:
        the checksum of the file with the surrogate.
    """
    one_thread()
    keep_freed_memory()
    search = open_search(job)
    results = _results(job, number)
    surrogate = results.fit().solved(
        _read_basis(search, number, basis),
        total(_read_moments(search, number, part, each) for part, each in enumerate(parts)),
    )
    tensors = {
        "inducing": surrogate.inducing.numpy(),
        "weights": surrogate.weights.numpy(),
        "centre": surrogate.centre,
        "std": surrogate.std,
    }
    plain = {
        "scale": surrogate.scale,
        "n_members": surrogate.n_members,
        "may_fail": surrogate.may_fail,
        "origin": origin_of(results.learnt_scores(FIRST)),
    }
    return write_tensors(search.folder, _surrogate_file(number), tensors, plain)


def fit_folder(number: int) -> str:
    """Below the campaign, what is kept between the tasks of one fit."""
    return f"{FOLDER}/fit-{number:05d}"


def scores_of_batch(folder: Folder, batch: int, rows: IntArray) -> FloatArray:
    """Scores of a batch that has been gathered.

    Args:
        folder: of the campaign.
        batch: its number.
        rows: int64 (n,), of the batch, in any order.
    Returns:
        float64 (n,), NaN for those that are no candidates.
    """
    own, ascending = folder.child(FOLDER), np.sort(rows)
    files = (_result_file(batch, part) for part in range(n_parts(len(rows))))
    parts = [own.read_table(path, ["score"])["score"].to_numpy() for path in files]
    scores: FloatArray = np.concatenate(parts)[np.searchsorted(ascending, rows)]
    return scores


def n_parts(n_rows: int) -> int:
    """Parts in which a batch is gathered."""
    return -(-n_rows // RESULT_ROWS)


@lru_cache(maxsize=2)
def projection_of(job: SearchJob, checksum: str) -> Projection:
    """The projection of the features."""
    tensors, _ = read_tensors(Folder(job.campaign).child(FOLDER), _PROJECTION, checksum)
    return Projection(tensors["directions"], tensors["origin"])


@lru_cache(maxsize=2)
def surrogate_of(job: SearchJob, fitted: Fitted) -> tuple[Surrogate, float]:
    """A surrogate that was fitted, and the score of a poor molecule."""
    folder = Folder(job.campaign).child(FOLDER)
    tensors, plain = read_tensors(folder, _surrogate_file(fitted.number), fitted.checksum)
    surrogate = Surrogate(
        torch.from_numpy(tensors["inducing"]),
        plain["scale"],
        torch.from_numpy(tensors["weights"]),
        plain["n_members"],
        tensors["centre"],
        tensors["std"],
        plain["may_fail"],
    )
    return surrogate, plain["origin"]


@lru_cache(maxsize=1)
def _plan(job: SearchJob, n_batches: int) -> StagePlan:
    """The plan of the searched stage with so many batches or more, read once for all of a batch's
    tasks: its size grows with what was chosen, and so does their number."""
    plan = open_search(job).campaign.searched.plan
    if len(plan.batches) < n_batches:
        raise StoreError(f"the batches of the campaign {job.campaign} are not all there any more")
    return plan


@lru_cache(maxsize=1)
def _results(job: SearchJob, number: int) -> "_Results":
    """What became of the batches before a number, read once for all tasks of a fit."""
    batches = _plan(job, number).batches[:number]
    return _Results(open_search(job), [np.asarray(each) for each in batches])


class _Results:
    """What became of all batches before a number, in their order and ascending in each."""

    def __init__(self, search: OpenSearch, batches: Sequence[IntArray]) -> None:
        self._search, self._batches = search, batches
        self._parts = [
            (batch, part, len(_rows_of_part(rows, part)))
            for batch, rows in enumerate(batches)
            for part in range(n_parts(len(rows)))
        ]

    @property
    def n(self) -> int:
        """Molecules."""
        return sum(n_rows for _, _, n_rows in self._parts)

    def fit(self) -> SurrogateFit:
        """The fit to them; the same at every call."""
        settings = self._search.settings
        targets = [f"target_{i}" for i in range(len(self._search.quantities))]
        values = self._read([*targets, "learnt_score"])
        return SurrogateFit(values[:, :-1], values[:, -1], settings.surrogate, settings.seed)

    @cached_property
    def standard(self) -> FloatArray:
        """The standardised targets of the fit, which its tasks share."""
        return self.fit().standard

    def learnt_scores(self, batch: int) -> FloatArray:
        """Scores of one batch, whatever constraints on what is predicted say; ascending rows."""
        return self._read(["learnt_score"], batch)[:, 0]

    def _read(self, names: list[str], batch: int | None = None) -> FloatArray:
        """Some columns, float64 (n, n_columns), of one batch or of all."""
        tables = [
            self._search.folder.read_table(_result_file(number, part), names)
            for number, part, _ in self._parts
            if batch in (None, number)
        ]
        return np.concatenate(
            [np.column_stack([table[name].to_numpy() for name in names]) for table in tables]
        )

    def points(self, job: SearchJob, projection: str, rows: IntArray) -> NDArray[np.float32]:
        """Projected features.

        Args:
            job: the search.
            projection: checksum.
            rows: int64 (k,), places among all molecules, in any order.
        Returns:
            float32 (k, n_dims), in that order.
        """
        search, project = self._search, projection_of(job, projection)
        points = np.empty((len(rows), project.directions.shape[1]), np.float32)
        for batch, part, chosen, places in self._held(rows):
            own = _rows_of_part(self._batches[batch], part)
            bits = features_of(
                _features(search.folder), _part_name(batch, part), search.library, own
            )
            points[chosen] = project(bits.take(places))
        return points

    def _held(self, rows: IntArray) -> Iterator[tuple[int, int, IntArray, IntArray]]:
        """Of each part that holds any of them: which of `rows` it holds, and where in the part."""
        start = 0
        for batch, part, n_rows in self._parts:
            chosen = np.flatnonzero((rows >= start) & (rows < start + n_rows))
            if len(chosen):
                yield batch, part, chosen, rows[chosen] - start
            start += n_rows


_MOMENTS = ("known_gram", "known_sum", "known_targets", "other_gram", "other_sum")


def _read_basis(search: OpenSearch, number: int, checksum: str) -> Basis:
    tensors, plain = read_tensors(search.folder, _basis_file(number), checksum)
    return Basis(torch.from_numpy(tensors["inducing"]), plain["scale"])


def _read_moments(search: OpenSearch, number: int, part: int, checksum: str) -> Moments:
    tensors, _ = read_tensors(search.folder, _moments_file(number, part), checksum)
    return Moments(*(torch.from_numpy(tensors[name]) for name in _MOMENTS))


def _is_kept(folder: Folder, path: str, rows: IntArray) -> bool:
    """Whether the results of these rows are there and whole."""
    try:
        return np.array_equal(folder.read_table(path, ["row"])["row"].to_numpy(), rows)
    except (StoreError, KeyError):
        return False


def _rows_of_part(rows: IntArray, part: int) -> IntArray:
    return rows[part * RESULT_ROWS : (part + 1) * RESULT_ROWS]


def _part_name(batch: int, part: int) -> str:
    return f"{batch:05d}-{part:05d}"


def _result_file(batch: int, part: int) -> str:
    return f"results/{_part_name(batch, part)}.parquet"


def _features(folder: Folder) -> str:
    return folder.child("features").url


def _basis_file(number: int) -> str:
    return f"fit-{number:05d}/basis.safetensors"


def _moments_file(number: int, part: int) -> str:
    return f"fit-{number:05d}/moments-{part:03d}.safetensors"


def _surrogate_file(number: int) -> str:
    return f"surrogate-{number:05d}.safetensors"
