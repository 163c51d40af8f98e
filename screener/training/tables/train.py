"""A training on outside labels: from its configuration to a bundle with its card.

The run folder, `run/` beside the bundle's files, holds the configuration and checkpoints. The same
command goes on from there; another configuration is refused. Identities and structures are kept in
`$SCREENER_HOME` (see `making`).
"""

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from screener.errors import ConfigError
from screener.models.bundle_files import CARD
from screener.models.low_values import LowValues
from screener.models.registry import model_type
from screener.records import Molecule, Structure
from screener.stores.files import Folder
from screener.stores.quarantine import quarantine_table
from screener.structures.site import Site
from screener.training.evaluate import (
    Metrics,
    composition_baseline,
    drawn_composition,
    held_out,
)
from screener.training.fit.checkpoint import FolderProgress
from screener.training.fit.data import FitData, FitSets
from screener.training.fit.model_types import settings_of
from screener.training.fit.save import save_bundle
from screener.training.splits import PARTS
from screener.training.tables.config import TrainConfig
from screener.training.tables.labelled import LabelledTable, Needs, labelled_table
from screener.training.tables.options import TableOptions
from screener.training.tables.partition import (
    Parts,
    by_column,
    by_connectivity,
    require_apart,
    require_seen,
)
from screener.training.tables.rows import read_texts

log = logging.getLogger(__name__)

RUN, FROZEN, CHECKPOINTS = "run", "config.json", "checkpoints"
TEST = "test"
N_GOLDEN = 6


@dataclass(frozen=True, slots=True, eq=False)
class _Usable:
    """Rows that have all: n of them."""

    rows: NDArray[np.int64]  # (n,), place in the file
    molecules: tuple[Molecule, ...]
    structures: tuple[Structure, ...]  # of a model that reads these
    smiles: tuple[str, ...]  # of a model that reads drawings
    labels: dict[str, NDArray[np.float64]]

    def part(self, chosen: NDArray[np.bool_]) -> FitData:
        """The molecules that are `chosen` (n,)."""
        places = np.flatnonzero(chosen)
        return FitData(
            [self.structures[place] for place in places.tolist()] if self.structures else (),
            {name: values[places] for name, values in self.labels.items()},
            [self.smiles[place] for place in places.tolist()] if self.smiles else (),
        )

    def elements(self) -> list[frozenset[int]]:
        """Atomic numbers that occur in each molecule."""
        if self.structures:
            return [frozenset(each.atomic_numbers.tolist()) for each in self.structures]
        return [frozenset(drawn_composition(each)) for each in self.smiles]


def train_outside(config: TrainConfig, site: Site) -> Metrics:
    """Make structures, fit, calibrate, test and write the bundle.

    Args:
        config: with `data`.
        site: where identities and structures are made.
    Returns:
        the held-out errors.
    Raises:
        ConfigError: a bundle is there already, the run folder is another configuration's, or data
            and split do not fit; the message says why.
    """
    assert config.data is not None
    out = Folder(str(Path(config.out).absolute()))
    run = _run_folder(out, config)
    kind = model_type(config.model)
    settings, targets = settings_of(kind, config.settings), config.targets()
    needs = Needs(
        level=config.geometry_level,
        n_conformers=config.n_conformers,
        values=LowValues(targets.low_columns).read,
        identities=True,
    )
    table = labelled_table(config.data, needs, site)
    quarantine = table.quarantine()
    run.write_table("quarantine.parquet", quarantine_table(quarantine))
    codes = dict(Counter(record.code for record in quarantine).most_common())
    log.info("%d rows, of them set aside: %s", len(table.rows), codes or "none")
    usable = _usable(table)
    parts = _parts(usable, config)
    sets = {part: usable.part(parts == part) for part in PARTS}
    progress = FolderProgress(run.local_path(CHECKPOINTS), 60.0 * config.checkpoint_minutes)
    fitted = kind.fit(
        FitSets(
            sets["fit"], sets["selection"], sets["calibration"], targets, config.geometry_level
        ),
        settings,
        progress,
    )
    metrics: dict[str, Any] = {
        TEST: held_out(fitted.predictor, sets["test"]),
        f"{TEST}, best linear composition correction": composition_baseline(
            sets["fit"], sets["test"], targets
        ),
    }
    save_bundle(
        out.url,
        fitted,
        name=config.name,
        n_conformers=config.n_conformers,
        data={
            "labels": config.data.model_dump(mode="json"),
            "rows": len(table.rows),
            "quarantined": codes,
            **{part: {"n": len(sets[part])} for part in PARTS},
        },
        splits={"by": _how_split(config), **config.split.model_dump(mode="json")},
        seeds={"split": config.split.seed, "fit": config.settings.get("seed", "default")},
        metrics=metrics,
        golden=sets["test"].molecules[:N_GOLDEN],
    )
    progress.clear()
    errors: Metrics = metrics[TEST]
    unanswered = [target.name for target in targets.all if target.name not in errors]
    if unanswered:
        log.warning(
            "none of the %d test molecules gets an answer for %s: they are outside the domain, or "
            "their intervals are wider than the limit in the card; fit to more molecules",
            len(sets[TEST].molecules),
            ", ".join(unanswered),
        )
    return errors


def _run_folder(out: Folder, config: TrainConfig) -> Folder:
    if out.exists(CARD):
        raise ConfigError(
            f"there is a bundle in {out.url} already; remove it, or choose another out"
        )
    out.require_writable()
    run = out.child(RUN)
    wanted = config.model_dump(mode="json")
    if not run.exists(FROZEN):
        run.write_json(FROZEN, wanted)
        return run
    begun = run.read_json(FROZEN)
    differing = sorted(key for key in wanted if wanted[key] != begun.get(key))
    if differing and run.names(CHECKPOINTS):
        raise ConfigError(
            f"{run.url} is of a training with other {', '.join(differing)}; remove the folder to "
            "begin again, or choose another out"
        )
    if differing:  # nothing of it was fitted
        run.write_json(FROZEN, wanted)
    return run


def _usable(table: LabelledTable) -> _Usable:
    kept = table.made & np.all([np.isfinite(v) for v in table.labels.values()], axis=0)
    places = np.flatnonzero(kept).tolist()
    molecules = [table.molecules[place] for place in places]
    inputs = [table.inputs[place] for place in places]
    return _Usable(
        rows=table.rows[kept],
        molecules=tuple(each for each in molecules if each is not None),
        structures=tuple(each for each in inputs if isinstance(each, Structure)),
        smiles=tuple(each for each in inputs if isinstance(each, str)),
        labels={name: values[kept] for name, values in table.labels.items()},
    )


def _parts(usable: _Usable, config: TrainConfig) -> Parts:
    """The part of every usable row, checked; empty where a column names none."""
    options: TableOptions | None = config.data
    assert options is not None
    # molecules without an InChIKey are their own
    connectivity = [each.inchikey[:14] or each.mol_id for each in usable.molecules]
    column = config.split.column
    if column is None:
        parts = by_connectivity(connectivity, config.split.fractions, config.split.seed)
    else:
        parts = by_column(read_texts(options.path, column, usable.rows), column)
    require_apart(parts, connectivity, [each.smiles for each in usable.molecules])
    require_seen(parts, usable.elements())
    return parts


def _how_split(config: TrainConfig) -> str:
    if config.split.column is not None:
        return f"column {config.split.column} of the file"
    return "first block of the InChIKey, drawn at random"
