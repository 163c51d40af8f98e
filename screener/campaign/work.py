"""What one task does with one unit: structures, predictions, verdicts, one receipt.

These functions run on the workers. They read the library, write structures below it and predictions
below the campaign, and return the receipt. Running one twice is harmless. Where workers declare
`GPU`, structures and predictions are two tasks, otherwise one.
"""

import logging
import socket
import time
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from screener.campaign.electrons import closed_shells_alone
from screener.campaign.judge import best, judge
from screener.campaign.plan import Unit
from screener.campaign.structures import Prepared, make_missing, read_structures
from screener.chemistry.structures import GeometrySettings
from screener.errors import MoleculeError, StoreError
from screener.execution.device import device_of_worker
from screener.execution.memory import keep_freed_memory
from screener.execution.threads import one_thread
from screener.models.bundle import Bundle, load_bundle
from screener.ranking.columns import REDOX_COLUMNS, inputs_of, with_computed, with_structural
from screener.ranking.objectives import RankingSettings
from screener.ranking.topk import Ranked
from screener.records import QuarantineRecord, Receipt, Structure
from screener.stores.files import Folder
from screener.stores.joined import JoinedTable, with_joined
from screener.stores.library import LibraryStore
from screener.stores.predictions import KEY_COLUMNS, PredictionStore
from screener.stores.structures import StructureStore

log = logging.getLogger(__name__)

SIZE_COLUMNS = ("n_heavy", "n_atoms", "charge", "n_undefined_stereo")


@dataclass(frozen=True, slots=True)
class StageJob:
    """What a worker has to know about a stage; small, travels with every task."""

    campaign: str  # URL
    library: str  # URL
    library_digest: str
    stage: str
    bundle: str  # name or path, the same on every worker
    bundle_digest: str
    geometry: GeometrySettings | None  # None where molecules are drawings
    structures: str  # URL of the structure store, or of the features
    structures_digest: str
    wall_clock_seconds: float
    own_columns: tuple[tuple[str, str], ...]  # the caller's columns: name in the library, and here
    acquisition: RankingSettings
    joined: JoinedTable | None  # if the acquisition reads it
    k: int  # how many of the unit's best its receipt tells


def run_unit(job: StageJob, unit: Unit, hints: tuple[str, ...], floor: Ranked | None) -> Receipt:
    """Structures and predictions of one unit, in one task."""
    return predict(job, unit, prepare(job, unit, hints), floor)


def prepare(job: StageJob, unit: Unit, hints: tuple[str, ...]) -> Prepared:
    """Make the structures that are missing.

    Args:
        job: the stage.
        unit: the rows.
        hints: structure units that may hold some of them.
    """
    one_thread()
    assert job.geometry is not None
    molecules = open_library(job.library, job.library_digest).read_rows(
        unit.rows, ["mol_id", "smiles"]
    )
    return make_missing(
        StructureStore(Folder(job.structures)),
        job.structures_digest,
        job.geometry,
        unit.rows,
        molecules["mol_id"].to_pylist(),
        molecules["smiles"].to_pylist(),
        hints,
        job.wall_clock_seconds,
    )


def predict(job: StageJob, unit: Unit, prepared: Prepared, floor: Ranked | None) -> Receipt:
    """Predict from the stored structures, judge, and publish the unit.

    Args:
        job: the stage.
        unit: the rows.
        prepared: where their structures lie.
        floor: the k-th best that the driver knew when it made the task.
    Returns:
        the receipt that counts, of this attempt or of an earlier one. `counts`: in, quarantined,
        out_of_domain, filtered, candidates. `details`: index (place in the plan), top (the unit's
        best), quarantine (rows by code), filtered (rows by rule), left_out, outside (rows by
        reason), spread (of each objective's values), structure_units, made (structures), finished
        (seconds since 1970), host (of the worker).
    """
    one_thread()
    keep_freed_memory()
    started = time.perf_counter()
    rows = unit.rows
    outcomes = read_structures(StructureStore(Folder(job.structures)), prepared.units, rows)
    library = open_library(job.library, job.library_digest)
    columns = [*KEY_COLUMNS, *SIZE_COLUMNS, *(name for name, _ in job.own_columns)]
    molecules = library.read_rows(rows, columns)
    bundle = open_bundle(job.bundle, job.bundle_digest, device_of_worker())
    has_redox = job.geometry is not None and job.geometry.redox_solvent is not None
    table = predictions(molecules, outcomes, bundle, dict(job.own_columns), has_redox)
    table = with_structural(
        table, inputs_of(job.acquisition, table.column_names)
    )  # kept, so that ranking is quick
    quarantine = [
        QuarantineRecord.from_error(outcome, "structures", row=row, mol_id=mol_id)
        for outcome, row, mol_id in zip(
            outcomes, rows.tolist(), molecules["mol_id"].to_pylist(), strict=True
        )
        if isinstance(outcome, MoleculeError)
    ]
    judged = judge(with_joined(table, job.joined), job.acquisition)
    seconds = prepared.seconds + time.perf_counter() - started
    receipt = PredictionStore(Folder(job.campaign), job.stage).write_unit(
        unit.name,
        table,
        quarantine,
        counts={"in": len(rows), "quarantined": len(quarantine), **judged.counts},
        seconds=seconds,
        details={
            "index": unit.index,
            "top": best(table, judged, job.k, floor).to_json(),
            "quarantine": dict(sorted(Counter(record.code for record in quarantine).items())),
            "filtered": judged.filtered,
            "left_out": judged.left_out,
            "outside": judged.outside,
            "spread": judged.spread,
            "structure_units": list(prepared.units),
            "made": prepared.n_made,
            "finished": time.time(),
            "host": socket.gethostname(),
        },
    )
    log.info("unit %s of %s: %s in %.1f s", unit.name, job.stage, receipt.counts, receipt.seconds)
    return receipt


def join(job: StageJob, segment: str, units: tuple[str, ...]) -> tuple[str, ...]:
    """Join the files of a segment of the plan, and the receipts of its structures.

    Args:
        job: the stage.
        segment: its name.
        units: all of its units, which are done.
    Returns:
        units that have to be done again first, since their files are damaged.
    """
    store = PredictionStore(Folder(job.campaign), job.stage)
    if damaged := store.join(segment, units):
        return damaged
    if job.geometry is None:
        return ()
    receipts = store.receipts.read_joined(segment)
    structures = {name for receipt in receipts for name in receipt.details["structure_units"]}
    StructureStore(Folder(job.structures)).join(structures)
    return ()


def predictions(
    molecules: pa.Table,
    outcomes: list[Structure | MoleculeError],
    bundle: Bundle,
    own_columns: dict[str, str],
    has_redox: bool,
) -> pa.Table:
    """The prediction table of molecules that have structures.

    Args:
        molecules: (n,) rows of the library.
        outcomes: (n,), in the same order.
        bundle: predicts from structures of its own geometry level.
        own_columns: the caller's columns, by name in the library, and their names here.
        has_redox: whether the structures tell of ions.
    Returns:
        one row per structure: keys, sizes, predicted and computed columns, domain, own columns.
    """
    there = [isinstance(outcome, Structure) for outcome in outcomes]
    kept = molecules.filter(pa.array(there, pa.bool_()))
    table = kept.select([*KEY_COLUMNS, *SIZE_COLUMNS])
    structures = [each for each in outcomes if isinstance(each, Structure)]
    predicted = closed_shells_alone(
        bundle.predict(structures),
        kept["smiles"].to_pylist(),
        kept["charge"].to_pylist(),
    )
    for name in predicted.column_names:
        table = table.append_column(name, predicted[name])
    if has_redox:
        for column in REDOX_COLUMNS:
            field = column.replace("_gfn2", "")
            found = [getattr(structure.redox, field) for structure in structures]
            table = table.append_column(column, pa.array(found, pa.float64(), from_pandas=True))
    table = with_computed(table)
    for name, stored in own_columns.items():
        table = table.append_column(stored, kept[name])
    return table


def no_predictions(
    library: LibraryStore, bundle: Bundle, own_columns: dict[str, str], has_redox: bool
) -> pa.Table:
    """The columns of a stage's predictions, without a row."""
    columns = [*KEY_COLUMNS, *SIZE_COLUMNS, *own_columns]
    return predictions(library.read_range(0, 0, columns), [], bundle, own_columns, has_redox)


@lru_cache(maxsize=4)
def open_library(url: str, digest: str) -> LibraryStore:
    """The library, opened once per process.

    Raises:
        StoreError: it is not the one that the campaign was started with.
    """
    library = LibraryStore.open(url)
    if library.digest != digest:
        raise StoreError(f"the library {url} has changed since the campaign was started")
    return library


@lru_cache(maxsize=4)
def open_bundle(path: str, digest: str, device: str = "cpu") -> Bundle:
    """The bundle, loaded once per process and device.

    Raises:
        StoreError: it is not the one that the campaign was started with.
    """
    bundle = load_bundle(path, device)
    if bundle.digest != digest:
        raise StoreError(f"the bundle {path} is another one here than where the campaign started")
    return bundle
