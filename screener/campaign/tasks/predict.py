"""What one task does with one unit: structures, predictions, the status of its rows, one receipt.

These functions run on the workers. They read the library, write structures below it and predictions
below the campaign, and return the receipt. Running one twice is harmless. Where workers declare
`GPU`, structures and predictions are two tasks, otherwise one.
"""

import dataclasses
import logging
import socket
import time
from collections import Counter

import numpy as np
import pyarrow as pa

from screener.campaign.settings.job import StageJob
from screener.campaign.settings.plan import Unit
from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.errors import MoleculeError
from screener.execution.device import device_of_worker
from screener.execution.memory import keep_freed_memory
from screener.execution.threads import one_thread
from screener.inference.table import predictions
from screener.models.bundle import open_bundle
from screener.ranking.between_stages import disagreements, score_range, with_earlier
from screener.ranking.columns import inputs_of, with_structural
from screener.ranking.row_status import best, row_status
from screener.ranking.topk import Ranked
from screener.records import QuarantineRecord, Receipt
from screener.stores.files import Folder
from screener.stores.joined import with_joined
from screener.stores.library import open_library
from screener.stores.mol_ids import mol_ids_of
from screener.stores.predictions import KEY_COLUMNS, SIZE_COLUMNS, PredictionStore
from screener.stores.structures import StructureStore
from screener.structures.make import Prepared, make_missing, read_structures
from screener.structures.recipe import Item, Recipe

log = logging.getLogger(__name__)


def run_unit(job: StageJob, unit: Unit, floor: Ranked | None) -> Receipt:
    """Structures and predictions of one unit, in one task.

    Args:
        job: the stage.
        unit: the rows.
        floor: the k-th best that the driver knew when it made the task.
    Returns:
        the receipt that counts.
    """
    return predict(job, unit, prepare(job, unit), floor)


def prepare(job: StageJob, unit: Unit) -> Prepared:
    """Make the structures that are missing.

    Args:
        job: the stage.
        unit: the rows.
    Returns:
        where the structures lie.
    """
    one_thread()
    assert job.geometry is not None
    molecules = open_library(job.library, job.library_digest).read_rows(
        unit.rows, ["mol_id", "smiles"]
    )
    names = zip(molecules["mol_id"].to_pylist(), molecules["smiles"].to_pylist(), strict=True)
    return make_missing(
        StructureStore(Folder(job.structures)),
        Recipe.from_drawing(job.geometry, dict(job.versions)),
        [Item(mol_id, smiles) for mol_id, smiles in names],
        job.wall_clock_seconds,
    )


def predict(job: StageJob, unit: Unit, prepared: Prepared, floor: Ranked | None) -> Receipt:
    """Predict from the stored structures, find the status of each row, and publish the unit.

    Args:
        job: the stage.
        unit: the rows.
        prepared: where their structures lie.
        floor: the k-th best that the driver knew when it made the task.
    Returns:
        the receipt that counts, of this attempt or of an earlier one. `counts`: in, quarantined,
        out_of_domain, filtered, candidates. `details`: index (place in the plan), top (the unit's
        best), quarantine (rows by code), filtered (rows by rule), left_out, outside (rows by
        reason), spread (least and largest value of each objective), disagree (rows in which stages
        do, by column), structure_units, made
        (structures), finished (seconds since 1970), host (of the worker).
    """
    one_thread()
    keep_freed_memory()
    started = time.perf_counter()
    rows = unit.rows
    library = open_library(job.library, job.library_digest)
    columns = [*KEY_COLUMNS, *SIZE_COLUMNS, *(name for name, _ in job.own_columns)]
    molecules = library.read_rows(rows, columns)
    outcomes = read_structures(
        StructureStore(Folder(job.structures)),
        prepared.units,
        mol_ids_of(molecules["mol_id"].to_pylist()),
    )
    bundle = open_bundle(job.bundle, job.bundle_digest, device_of_worker())
    value_columns = () if job.geometry is None else job.geometry.value_columns
    drawing_bundles = [open_bundle(*each) for each in job.drawing_bundles]
    table = predictions(
        molecules, outcomes, bundle, dict(job.own_columns), value_columns, drawing_bundles
    )
    if job.earlier is not None:
        stage = CampaignStage(Campaign.open(Folder(job.campaign)), job.earlier.index)
        earlier = pa.concat_tables(stage.tables(np.sort(rows)), promote_options="default")
        table = with_earlier(table, earlier, job.earlier.settled, stage.name)
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
    whole = with_joined(table, job.joined)
    status = row_status(whole, job.acquisition)
    worth = status
    if job.later is not None:  # the best are those that may be among the best there
        highest = score_range(whole, job.acquisition, job.later).high
        score = np.where(np.isnan(status.score), np.nan, highest)
        worth = dataclasses.replace(status, score=score)
    seconds = prepared.seconds + time.perf_counter() - started
    receipt = PredictionStore(Folder(job.campaign), job.stage).write_unit(
        unit.name,
        table,
        quarantine,
        counts={"in": len(rows), "quarantined": len(quarantine), **status.counts},
        seconds=seconds,
        details={
            "index": unit.index,
            "top": best(table, worth, job.k, floor).to_json(),
            "quarantine": dict(sorted(Counter(record.code for record in quarantine).items())),
            "filtered": status.filtered,
            "left_out": status.left_out,
            "outside": status.outside,
            "spread": status.value_range,
            "disagree": disagreements(table),
            "structure_units": list(prepared.units),
            "made": prepared.n_made,
            "finished": time.time(),
            "host": socket.gethostname(),
        },
    )
    log.info("unit %s of %s: %s in %.1f s", unit.name, job.stage, receipt.counts, receipt.seconds)
    return receipt


def compact(job: StageJob, segment: str, units: tuple[str, ...]) -> tuple[str, ...]:
    """Make one file of those of a segment of the plan.

    Args:
        job: the stage.
        segment: its name.
        units: all of its units, which are done.
    Returns:
        units that have to be done again first, since their files are damaged.
    """
    return PredictionStore(Folder(job.campaign), job.stage).compact(segment, units)
