"""What workers do to choose among the rows of `2d`: rate a part of them, and send the best of it.

A part is some units of `2d`, given by their places in its plan. It is rated once for each choice;
its values are kept in order below `funnel/values-<batch>/` until the choice is made, and what
travels is a sketch of them, then what is above the floor that follows from all sketches. A file of
values that is missing or damaged is made again. Running a task twice is harmless.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from screener.campaign.settings.plan import Unit
from screener.campaign.tasks.fitting import Fitted, projection_of, surrogate_of
from screener.campaign.tasks.prefilter import features_of
from screener.campaign.tasks.searching import FOLDER, OpenSearch, SearchJob, open_search
from screener.errors import StoreError
from screener.execution.memory import keep_freed_memory
from screener.execution.threads import one_thread
from screener.funnel.acquisition import acquisition_values, expected_above
from screener.funnel.draws import keys
from screener.funnel.search import FIRST
from screener.funnel.selection import Bracket, InBracket, Sketch, in_bracket
from screener.funnel.settings import AcquisitionSettings
from screener.stores.runs import are_among, with_rows
from screener.stores.tensors import read_tensors, write_tensors

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_FILES_EACH = 1000  # in one folder


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of the rows of `2d`, and what of it was chosen before; travels with its tasks."""

    number: int  # among all parts
    units: range  # places in the plan
    taken: IntArray  # int64, ascending


@dataclass(frozen=True, slots=True, eq=False)
class Rated:
    """What a part says of its values."""

    sketch: Sketch
    checksum: str  # of the file that holds them


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Rows of a part that may be chosen."""

    rows: IntArray  # int64 (n,)
    values: FloatArray  # float64 (n,), acquisition values
    mol_ids: NDArray[np.bytes_]  # (n,)


def draw(job: SearchJob, units: range, limit: float) -> tuple[IntArray, FloatArray]:
    """The candidates of a part that come early in the order of the first sample.

    Args:
        job: the search.
        units: places in the plan of `2d`.
        limit: of their keys.
    Returns:
        rows, int64 (n,), and their keys, float64 (n,), none above the limit.
    """
    one_thread()
    search = open_search(job)
    tables = [table for _, table in search.candidates(search.units(units), only_rows=True)]
    rows = np.concatenate([np.empty(0, np.int64), *(table["row"].to_numpy() for table in tables)])
    order = keys(rows, search.settings.seed, FIRST)
    early = order <= limit
    return rows[early], order[early]


def rate(job: SearchJob, fitted: Fitted, part: Part, is_audit: bool) -> Rated:
    """Find the acquisition values of all rows of a part that are left, and keep them in order.

    Args:
        job: the search.
        fitted: the surrogate that predicts.
        part: of `2d`.
        is_audit: whether the values are predicted scores, whatever rule chooses batches.
    Returns:
        a sketch of the values, and the checksum of the file that holds them.
    """
    one_thread()
    keep_freed_memory()
    values, checksum = _rated(job, fitted, part, is_audit)
    return Rated(Sketch.of(values.descending), checksum)


def offer(
    job: SearchJob, fitted: Fitted, part: Part, checksum: str, floor: float, limit: float
) -> Offer:
    """What a part offers to a batch.

    Args:
        job: the search.
        fitted: the surrogate that rated it.
        part: of `2d`.
        checksum: of its values.
        floor: of the values.
        limit: of the keys of rows that are drawn whatever their values.
    Returns:
        the rows that keep either of the two.
    """
    one_thread()
    search = open_search(job)
    values = _kept(job, fitted, part, checksum, is_audit=False)
    is_early = keys(values.rows, search.settings.seed, fitted.number) <= limit
    chosen = np.flatnonzero((values.descending >= floor) | is_early)
    rows = np.sort(values.rows[chosen])
    units = [unit for unit in search.units(part.units) if are_among(unit.rows, rows).any()]
    tables = [with_rows(table, rows) for _, table in search.candidates(units, only_rows=True)]
    mol_ids = np.concatenate(
        [np.empty(0, "S1"), *(np.array(each["mol_id"].to_pylist(), "S") for each in tables)]
    )
    places = np.searchsorted(rows, values.rows[chosen])
    return Offer(values.rows[chosen], values.descending[chosen], mol_ids[places])


def bracketed(
    job: SearchJob, fitted: Fitted, part: Part, checksum: str, brackets: tuple[Bracket, ...]
) -> list[InBracket]:
    """What a part has of the brackets in which the limits of an audit's strata are.

    Args:
        job: the search.
        fitted: the surrogate that rated it.
        part: of `2d`.
        checksum: of its values.
        brackets: of the limits.
    Returns:
        one entry per bracket.
    """
    one_thread()
    values = _kept(job, fitted, part, checksum, is_audit=True)
    return [in_bracket(values.descending, each) for each in brackets]


def sample(
    job: SearchJob,
    fitted: Fitted,
    part: Part,
    checksum: str,
    ends: tuple[int, ...],
    limits: tuple[float, ...],
    purpose: int,
) -> list[tuple[IntArray, FloatArray]]:
    """Rows of a part that an audit may draw.

    Args:
        job: the search.
        fitted: the surrogate that rated it.
        part: of `2d`.
        checksum: of its values.
        ends: of each stratum, how many of the part's best rows belong to it or to a better one.
        limits: of each stratum, of the keys.
        purpose: of the draw.
    Returns:
        of each stratum rows, int64 (n,), and their keys, float64 (n,), none above the limit.
    """
    one_thread()
    search = open_search(job)
    values = _kept(job, fitted, part, checksum, is_audit=True)
    early: list[tuple[IntArray, FloatArray]] = []
    for start, end, limit in zip((0, *ends), ends, limits, strict=False):
        rows = values.rows[start:end]
        order = keys(rows, search.settings.seed, purpose)
        early.append((rows[order <= limit], order[order <= limit]))
    return early


def gain(job: SearchJob, fitted: Fitted, rows: IntArray, threshold: float) -> float:
    """How many of the rows of a part are expected to have a score above the threshold.

    Args:
        job: the search.
        fitted: the surrogate that predicts.
        rows: int64 (n,), ascending.
        threshold: a score.
    Returns:
        a sum of probabilities, at most n.
    """
    one_thread()
    search = open_search(job)
    surrogate, _ = surrogate_of(job, fitted)
    n_above = 0.0
    for unit, table in search.candidates(list(search.drawings.holding(rows))):
        wanted = with_rows(table, rows)
        points = _points(job, search, unit, wanted, fitted)
        scorer = search.scorer(wanted).scorer
        n_above += expected_above(surrogate.predict(points), scorer, threshold)
    return n_above


def values_folder(number: int) -> str:
    """Below the campaign, the values of all parts for the choice of a batch."""
    return f"{FOLDER}/values-{number:05d}"


@dataclass(frozen=True, slots=True, eq=False)
class _Values:
    """The rows of a part that are left and their values: descending, equals by row."""

    rows: IntArray
    descending: FloatArray


def _rated(job: SearchJob, fitted: Fitted, part: Part, is_audit: bool) -> tuple[_Values, str]:
    search = open_search(job)
    settings = AcquisitionSettings() if is_audit else search.settings.acquisition
    rated = list(_unordered(job, search, fitted, part, settings))
    rows = np.concatenate([np.empty(0, np.int64), *(rows for rows, _ in rated)])
    values = np.concatenate([np.empty(0), *(values for _, values in rated)])
    order = np.lexsort((rows, -values))
    ordered = _Values(rows[order], values[order])
    tensors = {"rows": ordered.rows, "values": ordered.descending}
    path = _file(fitted, part, is_audit)
    return ordered, write_tensors(search.campaign.folder, path, tensors, {})


def _kept(job: SearchJob, fitted: Fitted, part: Part, checksum: str, *, is_audit: bool) -> _Values:
    """The values of a part as they were kept, or made again."""
    path = _file(fitted, part, is_audit)
    try:
        tensors, _ = read_tensors(open_search(job).campaign.folder, path, checksum)
    except StoreError:
        return _rated(job, fitted, part, is_audit)[0]
    return _Values(tensors["rows"], tensors["values"])


def _file(fitted: Fitted, part: Part, is_audit: bool) -> str:
    kind = "audit" if is_audit else "batch"
    folder = f"{values_folder(fitted.number)}/{kind}-{part.number // _FILES_EACH:05d}"
    return f"{folder}/{part.number:08d}.safetensors"


def _unordered(
    job: SearchJob,
    search: OpenSearch,
    fitted: Fitted,
    part: Part,
    settings: AcquisitionSettings,
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Of each unit the rows that are left, and their acquisition values."""
    surrogate, origin = surrogate_of(job, fitted)
    for unit, candidates in search.candidates(search.units(part.units)):
        is_taken = are_among(candidates["row"].to_numpy(), part.taken)
        table = candidates.filter(pa.array(~is_taken))
        rows = table["row"].to_numpy()
        if len(rows):
            values = acquisition_values(
                surrogate.predict(_points(job, search, unit, table, fitted)),
                search.scorer(table).scorer,
                rows,
                settings,
                search.settings.seed,
                fitted.number,
                origin,
            )
            yield rows, values


def _points(
    job: SearchJob, search: OpenSearch, unit: Unit, table: pa.Table, fitted: Fitted
) -> NDArray[np.float32]:
    """Projected features of some rows of a unit of `2d`."""
    bits = features_of(search.drawn.structures.url, unit.name, search.library, unit.rows)
    places = np.searchsorted(unit.rows, table["row"].to_numpy())
    return projection_of(job, fitted.projection)(bits.take(places))
