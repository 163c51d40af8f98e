"""A search whose science is trivial: molecules are numbers, and their values follow from these.

`install` puts it in the place of the real science, in the client and in every worker. What is left
is what a campaign does: plans, tasks, stores, receipts, sums, the surrogate's fit and predictions
(with few dimensions), the choice of batches, the audit, the ranking. It counts what is read and
written.
"""

import time
from collections import Counter

import numpy as np
import pyarrow as pa
from distributed import WorkerPlugin
from trivial_stage import ATOM

from screener.campaign.settings import stage
from screener.campaign.settings.job import StageJob
from screener.campaign.settings.plan import Unit
from screener.campaign.settings.setup import LEVEL_2D, Setup, Stage
from screener.campaign.tasks import fitting, predict, prefilter, rating, searching
from screener.chemistry.structures import StructureSettings
from screener.funnel.draws import keys
from screener.funnel.features import Bits
from screener.funnel.settings import SearchSettings, SurrogateSettings
from screener.inference import table
from screener.models import bundle
from screener.ranking.objectives import RankingSettings, parse_constraint, parse_objective
from screener.ranking.row_status import best, row_status, row_status_before_prediction
from screener.ranking.topk import Ranked, TopK
from screener.records import Receipt
from screener.stores.features import FeatureStore
from screener.stores.files import Folder
from screener.stores.mol_ids import mol_ids_of
from screener.stores.predictions import PredictionStore
from screener.stores.structures import StructureStore

N_COUNTS = 12  # features of a molecule
DIGEST = "trivial"
IO: Counter[str] = Counter()  # of this process


def setup_of(path: str, n_rows: int, budget: int, unit_rows: int = 512) -> Setup:
    """A campaign that searches a library of `n_rows` rows, which nobody has to write."""
    ranking = RankingSettings(
        objectives=(parse_objective("maximise:value"),),
        constraints=(parse_constraint("n_heavy<=8"),),
        top=100,
    )

    def stage_of(name: str, rows: int | None, n_unit_rows: int, **more) -> Stage:
        return Stage(
            name=name,
            bundle=DIGEST,
            bundle_digest=DIGEST,
            structures_digest=name,
            unit_rows=n_unit_rows,
            segment_units=max(1, 65_536 // n_unit_rows),
            wall_clock_seconds=60,
            rows=rows,
            **more,
        )

    return Setup(
        library=f"{path}/library",
        library_digest=DIGEST,
        n_rows=n_rows,
        versions={},
        own_columns={},
        stages=(
            stage_of(LEVEL_2D, None, min(4096, max(256, n_rows // 32))),
            stage_of("trivial", budget, unit_rows, geometry=StructureSettings(level="mmff94")),
        ),
        acquisition=ranking,
        ranking=ranking,
        funnel=SearchSettings(
            budget=budget,
            top_n=min(1000, budget // 10),
            surrogate=SurrogateSettings(n_dims=8, n_inducing=64, n_members=2),
        ),
    )


def counts_of(rows: np.ndarray) -> np.ndarray:
    """uint8 (n, N_COUNTS), positive, evenly distributed from 1 to 4."""
    columns = [keys(rows, 7, column) for column in range(N_COUNTS)]
    return (1 + np.floor(4 * np.column_stack(columns))).astype(np.uint8)


def bits_of_rows(rows: np.ndarray) -> Bits:
    """The features of molecules."""
    n = len(rows)
    columns = np.tile(np.arange(N_COUNTS, dtype=np.uint16), n)
    return Bits(np.arange(n + 1) * N_COUNTS, columns, counts_of(rows).reshape(-1))


def values_of(rows: np.ndarray) -> np.ndarray:
    """What is looked for is high: a sum of features, and something that they do not tell."""
    logarithms = np.log1p(counts_of(rows).astype(float))
    return logarithms @ np.linspace(1.0, -1.0, N_COUNTS) + 0.2 * keys(rows, 7, N_COUNTS)


def molecules(rows: np.ndarray) -> dict[str, object]:
    """What a library would say of them."""
    names = [f"{row:032x}" for row in rows.tolist()]
    return {
        "row": rows,
        "mol_id": names,
        "inchikey": ["SWQJXJOGLNCZEY-UHFFFAOYSA-N"] * len(rows),
        "smiles": ["[He]"] * len(rows),
        "source_id": names,
        "n_heavy": 1 + rows % 10,
        "in_domain": [True] * len(rows),
        "domain_reasons": [""] * len(rows),
    }


def screen(job: StageJob, unit: Unit) -> Receipt:
    """A unit of `2d`, as `screener.campaign.tasks.prefilter.screen` does it."""
    rows = unit.rows
    features_of(job.structures, unit.name, None, rows)
    table = pa.table(molecules(rows))
    status = row_status_before_prediction(table, job.acquisition)
    return _published(job, unit, table, status, TopK(job.k))


def run_unit(job: StageJob, unit: Unit, floor: Ranked | None) -> Receipt:
    """A unit of the stage that predicts, as `screener.campaign.tasks.predict.run_unit` does it."""
    rows = unit.rows
    table = pa.table({**molecules(rows), "value": values_of(rows)})
    structures = StructureStore(Folder(job.structures))
    structures.write(unit.name, mol_ids_of(table["mol_id"].to_pylist()), [ATOM] * len(rows))
    status = row_status(table, job.acquisition)
    return _published(job, unit, table, status, best(table, status, job.k, floor))


def _published(job, unit, table, status, top) -> Receipt:
    return PredictionStore(Folder(job.campaign), job.stage).write_unit(
        unit.name,
        table,
        [],
        counts={"in": unit.n_rows, "quarantined": 0, **status.counts},
        seconds=0.0,
        details={
            "index": unit.index,
            "top": top.to_json(),
            "quarantine": {},
            "filtered": status.filtered,
            "left_out": status.left_out,
            "outside": status.outside,
            "spread": status.value_range,
            "structure_units": [unit.name] if job.geometry is not None else [],
            "made": unit.n_rows,
            "finished": time.time(),
        },
    )


def features_of(folder: str, unit: str, library: object, rows: np.ndarray) -> Bits:
    """The features of rows, kept or made and kept."""
    store = FeatureStore(Folder(folder))
    if (kept := store.read(unit)) is not None:
        return Bits(*kept)
    bits = bits_of_rows(rows)
    store.write(unit, bits.offsets, bits.columns, bits.counts)
    return bits


class Library:
    """A library whose SMILES are row numbers."""

    def read_rows(self, rows: np.ndarray, columns: list[str]) -> pa.Table:
        return pa.table({"smiles": [str(row) for row in rows.tolist()]})


def columns_of_predictions(*_: object) -> pa.Table:
    return pa.table({**molecules(np.arange(0)), "value": np.empty(0)})


def install() -> None:
    """Put trivial science in the place of the real one, in this process."""
    prefilter.screen, predict.run_unit = screen, run_unit
    fitting.features_of = rating.features_of = features_of
    fitting.bits_of = lambda smiles: bits_of_rows(np.array([int(each) for each in smiles]))
    for module in (searching, stage):
        module.open_library = lambda url, digest: Library()
    bundle.open_bundle = lambda name, digest: None
    table.no_predictions = columns_of_predictions
    _count()


class Trivial(WorkerPlugin):
    """Installs it in every worker, those that come later too."""

    def setup(self, worker: object) -> None:
        install()


def _count() -> None:
    if IO:
        return
    IO["processes"] = 1
    read, write, names = Folder.read_bytes, Folder.write_bytes, Folder.names

    def counted_read(self, path, start=None, stop=None):
        data = read(self, path, start, stop)
        IO.update(reads=1, bytes_read=len(data))
        return data

    def counted_write(self, path, data):
        IO.update(writes=1, bytes_written=len(data))
        return write(self, path, data)

    def counted_names(self, path="", suffix=""):
        found = names(self, path, suffix)
        IO.update(lists=1, names_listed=len(found))
        return found

    Folder.read_bytes, Folder.write_bytes, Folder.names = counted_read, counted_write, counted_names


def io_counts() -> dict[str, int]:
    """What this process has read and written by now."""
    return dict(IO)
