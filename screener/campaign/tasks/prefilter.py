"""The stage `2d`: what a drawing alone decides, and the features that the surrogate will read.

A row is quarantined where RDKit cannot read it, out of domain where the models of the next stage do
not know an element, the size, the charge or what an atom is bonded to, filtered where a constraint
on a column that needs no prediction is broken, and otherwise one of those that the search chooses
from.
"""

import socket
import time
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rdkit import Chem

from screener.campaign.settings.job import StageJob
from screener.campaign.settings.plan import Unit
from screener.chemistry.coordination import drawn_coordinations
from screener.chemistry.radicals import unpaired_electrons
from screener.errors import MoleculeError
from screener.execution.threads import one_thread
from screener.funnel.features import Bits, bits_of_mols
from screener.models.bundle import open_bundle
from screener.models.uncertainty.domain import DomainOfKinds, electron_reasons
from screener.ranking.columns import inputs_of, with_structural
from screener.ranking.objectives import RankingSettings
from screener.ranking.row_status import row_status_before_prediction
from screener.ranking.topk import TopK
from screener.records import QuarantineRecord, Receipt
from screener.stores.domain_reasons import joined
from screener.stores.features import FeatureStore
from screener.stores.files import Folder
from screener.stores.joined import with_joined
from screener.stores.library import LibraryStore, open_library
from screener.stores.predictions import KEY_COLUMNS, SIZE_COLUMNS, PredictionStore

NAME = "2d"


def screen(job: StageJob, unit: Unit) -> Receipt:
    """Carry out one unit; the receipt is that of `predict.predict`, without a best.

    Args:
        job: of the stage; `structures` is the folder of the features.
        unit: the rows.
    """
    one_thread()
    started = time.perf_counter()
    library = open_library(job.library, job.library_digest)
    columns = [*KEY_COLUMNS, *SIZE_COLUMNS, *(name for name, _ in job.own_columns)]
    molecules = library.read_rows(unit.rows, columns)
    mols = [Chem.MolFromSmiles(smiles) for smiles in molecules["smiles"].to_pylist()]
    readable = np.array([mol is not None for mol in mols], dtype=bool)
    features = FeatureStore(Folder(job.structures))
    is_new = features.read(unit.name) is None
    if is_new:
        _keep(features, unit.name, mols)
    domain = open_bundle(job.bundle, job.bundle_digest).structure_domain
    table = drawn(
        molecules.filter(pa.array(readable)),
        [mol for mol in mols if mol is not None],
        domain,
        job.acquisition,
        dict(job.own_columns),
    )
    status = row_status_before_prediction(with_joined(table, job.joined), job.acquisition)
    quarantine = [
        QuarantineRecord.from_error(
            MoleculeError("invalid_smiles", f"RDKit cannot read {smiles[:200]!r}"),
            NAME,
            row=row,
            mol_id=mol_id,
        )
        for row, mol_id, smiles, ok in zip(
            *(molecules[name].to_pylist() for name in ("row", "mol_id", "smiles")),
            readable,
            strict=True,
        )
        if not ok
    ]
    return PredictionStore(Folder(job.campaign), job.stage).write_unit(
        unit.name,
        table,
        quarantine,
        counts={"in": len(mols), "quarantined": len(quarantine), **status.counts},
        seconds=time.perf_counter() - started,
        details={
            "index": unit.index,
            "top": TopK(job.k).to_json(),
            "quarantine": {"invalid_smiles": len(quarantine)} if quarantine else {},
            "filtered": status.filtered,
            "left_out": [],  # what needs predictions is looked at where they are
            "outside": status.outside,
            "structure_units": [],
            "made": len(mols) if is_new else 0,
            "finished": time.time(),
            "host": socket.gethostname(),
        },
    )


def drawn(
    molecules: pa.Table,
    mols: list[Chem.Mol],
    domain: DomainOfKinds,
    settings: RankingSettings,
    own_columns: dict[str, str],
) -> pa.Table:
    """The table of the stage.

    Args:
        molecules: (n,) rows of the library.
        mols: (n,), the same molecules.
        domain: of the next stage's models.
        settings: what is asked; decides which columns are made of the drawing.
        own_columns: the caller's columns, by name in the library, and their names here.
    Returns:
        keys, sizes, own columns, `in_domain`, `domain_reasons`, and what `settings` reads of the
        columns that are made of the drawing alone.
    """
    table = molecules.select([*KEY_COLUMNS, *SIZE_COLUMNS])
    for name, stored in own_columns.items():
        table = table.append_column(stored, molecules[name])
    sizes = (table[name].to_pylist() for name in ("charge", "n_heavy"))
    reasons = [joined(_outside(domain, *each)) for each in zip(mols, *sizes, strict=True)]
    table = table.append_column("in_domain", pa.array([not each for each in reasons], pa.bool_()))
    table = table.append_column("domain_reasons", pa.array(reasons, pa.string()))
    return with_structural(table, inputs_of(settings, table.column_names), mols)


def _outside(domain: DomainOfKinds, mol: Chem.Mol, charge: int, n_heavy: int) -> list[str]:
    """Why models do not know a molecule, as far as its drawing says."""
    elements = {mol.GetAtomWithIdx(i).GetAtomicNum() for i in range(mol.GetNumAtoms())}
    reasons = [
        *electron_reasons(charge, unpaired_electrons(mol)),
        *domain.composition_reasons(elements, n_heavy),
    ]
    # as with structures, of foreign elements nothing more is said
    return reasons or domain.coordination_reasons(drawn_coordinations(mol))


def features_of(folder: str, unit: str, library: LibraryStore, rows: NDArray[np.int64]) -> Bits:
    """The features of rows, kept below `folder` under the unit's name, or made and kept.

    Args:
        folder: where features are kept.
        unit: names the rows.
        library: with their SMILES.
        rows: int64 (n,).
    Returns:
        features of n molecules.
    """
    store = FeatureStore(Folder(folder))
    if (stored := store.read(unit)) is not None:
        return Bits(*stored)
    smiles = library.read_rows(rows, ["smiles"])["smiles"].to_pylist()
    return _keep(store, unit, map(Chem.MolFromSmiles, smiles))


def _keep(store: FeatureStore, unit: str, mols: Iterable[Chem.Mol | None]) -> Bits:
    """Make features and keep them; what RDKit cannot read is quarantined and has none."""
    bits = bits_of_mols(Chem.Mol() if mol is None else mol for mol in mols)
    store.write(unit, bits.offsets, bits.columns, bits.counts)
    return bits
