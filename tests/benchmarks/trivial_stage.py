"""A campaign whose science is trivial: an atom for a structure, a number for a prediction."""

import time

import numpy as np
import pyarrow as pa

from screener.campaign.settings.job import StageJob
from screener.campaign.settings.plan import Unit
from screener.campaign.settings.setup import Setup, Stage
from screener.chemistry.structures import StructureSettings
from screener.ranking.objectives import RankingSettings, parse_objective
from screener.ranking.row_status import best, row_status
from screener.ranking.topk import Ranked
from screener.records import Receipt, Structure
from screener.stores.files import Folder
from screener.stores.mol_ids import mol_ids_of
from screener.stores.predictions import PredictionStore
from screener.stores.structures import StructureStore

ATOM = Structure(np.array([2], dtype=np.uint8), np.zeros((1, 3), dtype=np.float32))
SEGMENT_ROWS, SEGMENT_UNITS = 65_536, 1_024  # as in campaigns


def setup_of(path: str, n_rows: int, unit_rows: int) -> Setup:
    """A campaign of one stage on a library of `n_rows` rows that nobody reads."""
    ranking = RankingSettings(
        objectives=(parse_objective("maximise:value"),), constraints=(), top=100
    )
    stage = Stage(
        name="trivial",
        bundle="none",
        bundle_digest="none",
        structures_digest="trivial",
        unit_rows=unit_rows,
        segment_units=max(1, min(SEGMENT_UNITS, SEGMENT_ROWS // unit_rows)),
        wall_clock_seconds=60,
        geometry=StructureSettings(level="mmff94"),
    )
    return Setup(
        library=f"{path}/library",
        library_digest="none",
        n_rows=n_rows,
        versions={},
        own_columns={},
        stages=(stage,),
        acquisition=ranking,
        ranking=ranking,
    )


def trivial_unit(job: StageJob, unit: Unit, floor: Ranked | None) -> Receipt:
    """Write a unit as `screener.campaign.tasks.predict.run_unit` does."""
    started = time.perf_counter()
    rows = unit.rows
    mol_ids = [f"{row:032x}" for row in rows.tolist()]
    structures = StructureStore(Folder(job.structures))
    structures.write(unit.name, mol_ids_of(mol_ids), [ATOM] * len(rows))
    structures.read(unit.name)
    values = np.random.default_rng(int(rows[0])).random(len(rows))
    table = pa.table(
        {
            "row": rows,
            "mol_id": mol_ids,
            "inchikey": ["SWQJXJOGLNCZEY-UHFFFAOYSA-N"] * len(rows),
            "smiles": ["[He]"] * len(rows),
            "source_id": mol_ids,
            "value": values,
            "in_domain": [True] * len(rows),
            "domain_reasons": [""] * len(rows),
        }
    )
    status = row_status(table, job.acquisition)
    return PredictionStore(Folder(job.campaign), job.stage).write_unit(
        unit.name,
        table,
        [],
        counts={"in": len(rows), "quarantined": 0, **status.counts},
        seconds=time.perf_counter() - started,
        details={
            "index": unit.index,
            "top": best(table, status, job.k, floor).to_json(),
            "quarantine": {},
            "filtered": status.filtered,
            "left_out": status.left_out,
            "outside": status.outside,
            "structure_units": [unit.name],
            "made": len(rows),
            "finished": time.time(),
        },
    )
