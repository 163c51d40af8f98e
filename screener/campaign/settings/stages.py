"""The stages of a campaign, from what was asked: levels, sizes of tasks, wall clocks, digests."""

import logging
import math
from importlib.metadata import version

from screener.campaign.settings.config import (
    DEFAULT_BUNDLES,
    CampaignConfig,
    StageConfig,
)
from screener.campaign.settings.setup import LEVEL_2D, Setup, Stage
from screener.chemistry.levels import GFN2_REDOX
from screener.chemistry.redox import require_solvent
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError
from screener.funnel.features import VERSION
from screener.funnel.search import SearchSettings
from screener.models.bundle import Bundle, load_bundle, shipped_bundles
from screener.registry import columns as registry
from screener.stores.files import Folder, digest
from screener.stores.library import LibraryStore

log = logging.getLogger(__name__)

ROWS_2D = 4096  # of a task at `2d`
MOST_ROWS = 512  # of a task at any other level
TASK_SECONDS = 8.0  # that a task takes on one core, about
SHARE_OF_SMALLEST = 16  # a task of a small stage has at least this part of a large one's rows
FEWEST_ROWS = 4
WANTED_UNITS = 32  # of a small stage, so that some tens of workers have work
# a segment's files are compacted once its units are done: few files, none too large for memory
SEGMENT_ROWS = 65_536
SEGMENT_UNITS = 1_024
LEAST_WALL_CLOCK_SECONDS = 60.0  # of one molecule
WALL_CLOCK_FACTOR = 2_400.0  # of what a molecule of ten heavy atoms takes
DEFAULT_SOLVENT = "acetonitrile"
NO_SOLVENT = "none"


def absolute(url: str) -> str:
    """A local path made absolute (workers have other working directories); other URLs as is."""
    folder = Folder(url)
    return str(folder.local_path()) if folder.is_local else url


def wanted_stages(config: CampaignConfig, frozen: Setup | None) -> tuple[StageConfig, ...]:
    """The stages that predict, as asked for."""
    wanted = config.stages
    if wanted is None and frozen is not None:
        wanted = tuple(
            _as_asked(stage, config.finalists or stage.rows if index else None)
            for index, stage in enumerate(frozen.predicting)
        )
    if wanted is None:
        wanted = tuple(StageConfig(bundle=bundle) for bundle in DEFAULT_BUNDLES.values())
    if not wanted:
        raise ConfigError("give at least one stage")
    if wanted[0].rows is not None:
        raise ConfigError(
            "the first stage takes the whole library; leave out its `rows`, or give a budget, "
            "which a search spends on the most promising ones"
        )
    return wanted


def decided_stages(
    wanted: tuple[StageConfig, ...],
    library: LibraryStore,
    finalists: int,
    funnel: SearchSettings | None,
) -> tuple[list[Bundle], tuple[Stage, ...]]:
    """All stages, with everything decided, and the bundle of each.

    Args:
        wanted: the stages that predict.
        library: whose rows they screen.
        finalists: rows that enter a later stage that says no number of its own.
        funnel: how the rows of the first are searched for; None where all are evaluated.
    Returns:
        the bundles and the stages, `2d` first where there is a funnel.
    Raises:
        ConfigError: a bundle and a stage do not fit each other, or two stages have one name.
    """
    bundles = [load_bundle(stage.bundle) for stage in wanted]
    entering = [None, *(stage.rows or finalists for stage in wanted[1:])]
    at_once = list(entering)  # how many a stage has to work on at a time
    if funnel is not None:
        entering[0] = funnel.budget
        at_once[0] = max(funnel.sizes(library.n_rows)[1:-1])
    stages = tuple(
        _stage(stage, bundle, library, rows, n)
        for stage, bundle, rows, n in zip(wanted, bundles, entering, at_once, strict=True)
    )
    if funnel is not None:
        stages = (_drawings(stages[0], library), *stages)
        bundles = [bundles[0], *bundles]
    names = [stage.name for stage in stages]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two stages are called {twice[0]}; give each a `name` of its own")
    return bundles, stages


def _drawings(following: Stage, library: LibraryStore) -> Stage:
    """The stage `2d` before a stage whose rows are searched for."""
    n_unit_rows = unit_rows(LEVEL_2D, library.n_rows)
    features = {"library": library.digest, "features": VERSION, "rdkit": version("rdkit")}
    return Stage(
        name=LEVEL_2D,
        bundle=following.bundle,
        bundle_digest=following.bundle_digest,
        structures_digest=digest(features),
        unit_rows=n_unit_rows,
        segment_units=max(1, SEGMENT_ROWS // n_unit_rows),
        wall_clock_seconds=following.wall_clock_seconds,
    )


def _as_asked(stage: Stage, rows: int | None) -> StageConfig:
    """A frozen stage as it would be asked for."""
    assert stage.geometry is not None
    return StageConfig(
        bundle=stage.bundle,
        name=stage.name,
        geometry=stage.geometry.level,
        n_conformers=stage.geometry.n_conformers,
        unit_rows=stage.unit_rows,
        wall_clock_seconds=stage.wall_clock_seconds,
        rows=rows,
        redox_solvent=stage.geometry.settings.get(GFN2_REDOX.name, {}).get("solvent", NO_SOLVENT),
    )


def _stage(
    wanted: StageConfig,
    bundle: Bundle,
    library: LibraryStore,
    rows: int | None,
    n_at_once: int | None,
) -> Stage:
    card = bundle.card
    if wanted.geometry is not None and wanted.geometry != card.geometry_level:
        raise ConfigError(
            f"bundle {card.name} was fitted at geometry level {card.geometry_level} and refuses "
            f"structures at {wanted.geometry}; ask for {wanted.bundle}@{card.geometry_level}, or "
            f"for a bundle of level {wanted.geometry}"
        )
    made = [
        name for name, each in registry.levels().items() if each.makes_geometry and each.compute
    ]
    if card.geometry_level not in made:
        raise ConfigError(
            f"bundle {card.name} needs structures at level {card.geometry_level}; campaigns make "
            f"{' and '.join(made)}"
        )
    geometry = _with_potentials(
        StructureSettings.at(card.geometry_level, wanted.n_conformers or card.n_conformers),
        _redox_solvent(wanted, card.geometry_level, are_finalists=rows is not None),
    )
    if geometry.n_conformers != card.n_conformers:
        log.warning(
            "bundle %s was calibrated with %d conformers; with %d its intervals may be off",
            card.name,
            card.n_conformers,
            geometry.n_conformers,
        )
    is_shipped = wanted.bundle in shipped_bundles()  # found by its name on every worker
    n_unit_rows = wanted.unit_rows or unit_rows(geometry.level, n_at_once or library.n_rows)
    return Stage(
        name=wanted.name or geometry.level,
        bundle=wanted.bundle if is_shipped else absolute(wanted.bundle),
        bundle_digest=bundle.digest,
        structures_digest=structures_digest(library.digest, geometry),
        unit_rows=n_unit_rows,
        segment_units=max(1, min(SEGMENT_UNITS, SEGMENT_ROWS // n_unit_rows)),
        wall_clock_seconds=wanted.wall_clock_seconds or wall_clock_seconds(geometry.level),
        rows=rows,
        geometry=geometry,
    )


def _redox_solvent(wanted: StageConfig, level: str, are_finalists: bool) -> str | None:
    """The solvent for the potentials of ions; None where they are not computed."""
    asked_for = wanted.redox_solvent
    if level != GFN2_REDOX.start:
        if asked_for not in (None, NO_SOLVENT):
            raise ConfigError(
                f"redox_solvent = {asked_for!r}: potentials are computed at {GFN2_REDOX.start}, "
                f"and this stage is at {level}"
            )
        return None
    solvent = asked_for or (DEFAULT_SOLVENT if are_finalists else NO_SOLVENT)
    if solvent == NO_SOLVENT:
        return None
    require_solvent(solvent)
    return solvent


def _with_potentials(geometry: StructureSettings, solvent: str | None) -> StructureSettings:
    if solvent is None:
        return geometry
    return StructureSettings(
        level=geometry.level,
        values=(*geometry.values, GFN2_REDOX.name),
        settings={**geometry.settings, GFN2_REDOX.name: {"solvent": solvent}},
    )


def unit_rows(level: str, n_rows: int) -> int:
    """How many of the `n_rows` rows of a stage one task works on; says nothing about workers."""
    most = largest_unit_rows(level)
    fewest = max(FEWEST_ROWS, most // SHARE_OF_SMALLEST)
    return max(fewest, min(-(-n_rows // WANTED_UNITS), most))


def largest_unit_rows(level: str) -> int:
    """How many rows a task of a large stage works on: a power of two that takes some seconds."""
    if level == LEVEL_2D:
        return ROWS_2D
    seconds = registry.level(level).seconds
    wanted = TASK_SECONDS / seconds if seconds > 0 else MOST_ROWS
    return int(min(MOST_ROWS, max(FEWEST_ROWS, 2 ** int(math.log2(max(1.0, wanted))))))


def wall_clock_seconds(level: str) -> float:
    """How long a molecule may take at a level before it is set aside."""
    return max(LEAST_WALL_CLOCK_SECONDS, WALL_CLOCK_FACTOR * registry.level(level).seconds)


def structures_digest(library_digest: str, geometry: StructureSettings) -> str:
    """Names the structures of a library at these settings, made with the installed versions."""
    return digest(
        {
            "library": library_digest,
            "geometry": geometry.model_dump(mode="json"),
            "rdkit": version("rdkit"),
            "tblite": version("tblite"),
        }
    )
