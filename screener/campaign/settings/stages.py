"""The stages of a campaign, from what was asked: levels, sizes of tasks, wall clocks, digests."""

import logging
from importlib.metadata import version

from screener.campaign.settings.config import (
    CampaignConfig,
    StageConfig,
)
from screener.campaign.settings.setup import LEVEL_2D, DrawingBundle, Setup, Stage
from screener.campaign.settings.stage_structures import (
    SECONDS_2D,
    as_asked,
    structure_settings,
    unit_rows,
)
from screener.errors import ConfigError
from screener.funnel.features import VERSION
from screener.funnel.settings import SearchSettings
from screener.models.bundle import Bundle, read_bundle
from screener.models.card import DRAWING
from screener.models.shipped import DEFAULT_BUNDLES, shipped_bundles
from screener.stores.files import Folder, digest
from screener.stores.library import LibraryStore
from screener.structures.recipe import Recipe

log = logging.getLogger(__name__)

# a segment's files are compacted once its units are done: few files, none too large for memory
SEGMENT_ROWS = 65_536
SEGMENT_UNITS = 1_024


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
    drawing_bundles: tuple[DrawingBundle, ...] = (),
) -> tuple[list[Bundle], tuple[Stage, ...]]:
    """All stages, with everything decided, and the bundle of each.

    Args:
        wanted: the stages that predict.
        library: whose rows they screen.
        finalists: rows that enter a later stage that says no number of its own.
        funnel: how the rows of the first are searched for; None where all are evaluated.
        drawing_bundles: whose columns every stage that predicts has as well.
    Returns:
        the bundles and the stages, `2d` first where there is a funnel.
    Raises:
        ConfigError: a bundle and a stage do not fit each other, or two stages have one name.
    """
    bundles = [read_bundle(stage.bundle) for stage in wanted]
    entering = [None, *(stage.rows or finalists for stage in wanted[1:])]
    at_once = list(entering)  # how many a stage has to work on at a time
    if funnel is not None:
        entering[0] = funnel.budget
        at_once[0] = max(funnel.sizes(library.n_rows)[1:-1])
    stages = tuple(
        _stage(stage, bundle, library, rows, n).model_copy(
            update={"drawing_bundles": drawing_bundles}
        )
        for stage, bundle, rows, n in zip(wanted, bundles, entering, at_once, strict=True)
    )
    if funnel is not None:
        stages = (_drawings(stages[0], library), *stages)
        bundles = [bundles[0], *bundles]
    names = [stage.name for stage in stages]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two stages are called {twice[0]}; give each a `name` of its own")
    return bundles, stages


def decided_drawing_bundles(
    config: CampaignConfig, frozen: Setup | None
) -> tuple[DrawingBundle, ...]:
    """The bundles that read drawings, as asked for or else as in the campaign before.

    Raises:
        ConfigError: there is no such bundle, or it reads structures.
    """
    if config.drawing_bundles is None:
        return frozen.predicting[0].drawing_bundles if frozen else ()
    decided = []
    for name in config.drawing_bundles:
        bundle = read_bundle(name)
        if bundle.card.geometry_level != DRAWING:
            raise ConfigError(
                f"bundle {bundle.card.name} reads structures at {bundle.card.geometry_level}; give "
                "it as a stage, with --stages"
            )
        where = name if name in shipped_bundles() else absolute(name)
        decided.append(DrawingBundle(bundle=where, digest=bundle.digest))
    return tuple(decided)


def _drawings(following: Stage, library: LibraryStore) -> Stage:
    """The stage `2d` before a stage whose rows are searched for."""
    n_unit_rows = unit_rows(SECONDS_2D, library.n_rows)
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
        unit_rows=stage.unit_rows,
        wall_clock_seconds=stage.wall_clock_seconds,
        rows=rows,
        **as_asked(stage.geometry),
    )


def _stage(
    wanted: StageConfig,
    bundle: Bundle,
    library: LibraryStore,
    rows: int | None,
    n_at_once: int | None,
) -> Stage:
    card = bundle.card
    if card.geometry_level == DRAWING:
        raise ConfigError(
            f"bundle {card.name} reads drawings; give it with --drawing-bundle, beside a "
            "stage that makes structures"
        )
    if card.given_low is not None:
        raise ConfigError(
            f"bundle {card.name} adds to {card.given_low}, which no stage computes; take a bundle "
            "that begins at a level of this machine, or give values to `screener evaluate --low`"
        )
    geometry = structure_settings(wanted, card, are_finalists=rows is not None)
    if geometry.n_conformers != card.n_conformers:
        log.warning(
            "bundle %s was calibrated with %d conformers; with %d its intervals may be off",
            card.name,
            card.n_conformers,
            geometry.n_conformers,
        )
    if twice := sorted(set(geometry.value_columns) & set(card.quantities)):
        raise ConfigError(
            f"values {', '.join(geometry.values)} have {twice[0]}, which bundle {card.name} "
            "predicts; leave out one of them"
        )
    is_shipped = wanted.bundle in shipped_bundles()  # found by its name on every worker
    n_unit_rows = wanted.unit_rows or unit_rows(geometry.seconds, n_at_once or library.n_rows)
    return Stage(
        name=wanted.name or geometry.level,
        bundle=wanted.bundle if is_shipped else absolute(wanted.bundle),
        bundle_digest=bundle.digest,
        structures_digest=Recipe.from_drawing(geometry).digest,
        unit_rows=n_unit_rows,
        segment_units=max(1, min(SEGMENT_UNITS, SEGMENT_ROWS // n_unit_rows)),
        wall_clock_seconds=wanted.wall_clock_seconds or geometry.wall_clock_seconds,
        rows=rows,
        geometry=geometry,
    )
