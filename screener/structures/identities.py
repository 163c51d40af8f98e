"""Who outside molecules are, found out on the Dask cluster and kept.

Everything lies below `$SCREENER_HOME/tables`, batch by batch. A batch is named by its content, so
whatever was found for one command is there for the next, and an interrupted one goes on where it
was. The work is done by the same executor, child processes and receipts as a campaign.
"""

import hashlib
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version

import pyarrow as pa
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds

from screener.chemistry.geometry import with_positions
from screener.chemistry.standardise import StandardiseSettings, standardise, standardise_mol
from screener.errors import MoleculeError
from screener.execution.child import isolated_map
from screener.execution.tasks import Task
from screener.records import Molecule, Receipt
from screener.stores.files import Folder, digest, to_parquet
from screener.stores.home import screener_home
from screener.stores.receipts import Receipts
from screener.structures.recipe import Item, from_table, to_table
from screener.structures.site import Site, inputs_of_tasks

WALL_CLOCK_SECONDS = 60.0
BATCH = 512

_IDENTITY = pa.schema(
    [
        *((name, pa.string()) for name in ("mol_id", "smiles", "inchikey")),
        *((name, pa.int64()) for name in ("n_heavy", "n_atoms", "charge", "n_undefined_stereo")),
        ("code", pa.string()),
        ("message", pa.string()),
    ]
)


def identities(items: Sequence[Item], site: Site) -> list[Molecule | MoleculeError]:
    """Who molecules are: by their SMILES, and where there is none by their geometry.

    Args:
        items: (n,) molecules; of each SMILES or geometry is known.
        site: where the work is done.
    Returns:
        (n,), in order.
    """
    settings = {"settings": StandardiseSettings().model_dump(mode="json"), "what": "identities"}
    name = digest({**settings, "versions": {"rdkit": version("rdkit")}})
    folder = Folder(str(screener_home() / "tables" / f"identities-{name[:12]}"))
    receipts = Receipts(folder)
    batches: dict[str, pa.Table] = {}
    order = []
    for start in range(0, len(items), BATCH):
        table = to_table(list(items[start : start + BATCH]))
        unit = hashlib.sha256(to_parquet(table)).hexdigest()[:32]
        order.append(unit)
        if not receipts.has(unit):
            batches[unit] = table
    n_done = len(items) - sum(table.num_rows for table in batches.values())
    site.progress("identities", n_done, len(items))
    if batches:
        with inputs_of_tasks(folder) as inputs, site.carrying() as carry:
            for completed in carry(_tasks(folder, batches, inputs)):
                n_done += completed.result.counts["in"]
                site.progress("identities", n_done, len(items))
    outcomes: list[Molecule | MoleculeError] = []
    for unit in order:
        for row in folder.read_table(f"molecules/{unit}.parquet").to_pylist():
            code, message = row.pop("code"), row.pop("message")
            outcomes.append(MoleculeError(code, message) if code else Molecule(**row))
    return outcomes


def _tasks(folder: Folder, batches: dict[str, pa.Table], inputs: str) -> Iterator[Task]:
    for unit, table in batches.items():
        path = f"{inputs}/{unit}.parquet"
        folder.write_table(path, table)
        yield Task(f"identities-{unit[:8]}", identify_batch, (folder.url, unit, path))


def identify_batch(url: str, unit: str, path: str) -> Receipt:
    """Identify one batch on a worker.

    Args:
        url: of the folder of identities.
        unit: names the batch.
        path: of the table of its molecules in the folder.
    Returns:
        the receipt that counts.
    """
    began = time.monotonic()
    folder = Folder(url)
    receipts = Receipts(folder)
    if receipts.has(unit):  # an attempt that lost its worker may have come this far
        return receipts.read(unit)
    items = from_table(folder.read_table(path))
    outcomes = isolated_map(identity_of, items, wall_clock_seconds=WALL_CLOCK_SECONDS)
    rows = [
        {"code": outcome.code, "message": outcome.message}
        if isinstance(outcome, MoleculeError)
        else {**outcome._asdict(), "code": "", "message": ""}
        for outcome in outcomes
    ]
    result = f"molecules/{unit}.parquet"
    files = {result: folder.write_table(result, pa.Table.from_pylist(rows, schema=_IDENTITY))}
    counts = {"in": len(rows), "quarantined": sum(bool(row["code"]) for row in rows)}
    receipt = Receipt(unit, "identities", counts, files, time.monotonic() - began)
    return receipts.publish(receipt)


def identity_of(item: Item) -> Molecule:
    """Who a molecule is; runs in a chemistry process.

    Raises:
        MoleculeError: as `standardise` does; `no_connectivity`, bonds cannot be told from the
            geometry alone.
    """
    if item.smiles is not None:
        return standardise(item.smiles, StandardiseSettings())[0]
    geometry = item.geometry
    assert geometry is not None
    editable = Chem.RWMol()
    for number in geometry.atomic_numbers.tolist():
        editable.AddAtom(Chem.Atom(number))
    molecule = with_positions(editable.GetMol(), geometry.positions)
    try:
        with rdBase.BlockLogs():
            rdDetermineBonds.DetermineBonds(molecule, charge=0)
            Chem.SanitizeMol(molecule)
            Chem.AssignStereochemistryFrom3D(molecule)
            bare = Chem.RemoveHs(molecule)
    except (ValueError, RuntimeError) as error:
        raise MoleculeError(
            "no_connectivity",
            f"bonds cannot be told from the geometry ({error}); name a column of SMILES",
        ) from error
    return standardise_mol(bare, StandardiseSettings())[0]
