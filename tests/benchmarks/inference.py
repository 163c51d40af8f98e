"""Predicting from structures: the bundle in a loop, unit tasks that read and write stores."""

from alternating import Comparison, Variant, compare
from scene import Scene, Stage

from screener.campaign.settings.plan import Unit
from screener.campaign.tasks import predict
from screener.chemistry.structures import StructureSettings
from screener.execution.tasks import Task, run_tasks
from screener.models.bundle import load_bundle
from screener.records import Structure
from screener.stores.files import Folder
from screener.stores.mol_ids import MolIds, mol_ids_of
from screener.stores.structures import StructureStore
from screener.structures.make import Prepared, read_structures


def run(scene: Scene, name: str, n_molecules: int, n_rounds: int) -> Comparison:
    bundle = load_bundle(name)
    geometry = StructureSettings(level=bundle.card.geometry_level)
    library = scene.build(scene.sample(n_molecules))
    stage = Stage(scene, library, geometry, name, bundle.digest)
    structures = scene.new_folder()
    job = stage.job(structures)
    units = list(stage.plan.units())
    makers = (Task(f"{i}", predict.prepare, (job, unit)) for i, unit in enumerate(units))
    prepared: dict[int, Prepared] = {
        int(completed.task.name): completed.result for completed in run_tasks(scene.client, makers)
    }
    store = StructureStore(Folder(structures))

    def keys_of(unit: Unit) -> MolIds:
        return mol_ids_of(library.read_rows(unit.rows, ["mol_id"])["mol_id"].to_pylist())

    batches = [
        [
            outcome
            for outcome in read_structures(store, prepared[i].units, keys_of(unit))
            if isinstance(outcome, Structure)
        ]
        for i, unit in enumerate(units)
    ]

    def loop() -> None:
        for batch in batches:
            assert bundle.predict(batch).num_rows == len(batch)

    def tasks() -> None:
        here = stage.job(structures)
        waiting = (
            Task(unit.name, predict.predict, (here, unit, prepared[i], None))
            for i, unit in enumerate(units)
        )
        n_rows = sum(
            completed.result.counts["in"] for completed in run_tasks(scene.client, waiting)
        )
        assert n_rows == library.n_rows

    variants = [
        Variant("plain loop over Bundle.predict()", loop),
        Variant("unit tasks, one worker", tasks),
    ]
    return compare(f"predictions {name}", library.n_rows, variants, n_rounds)
