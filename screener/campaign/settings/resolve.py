"""From what was asked to a campaign with everything decided, or a reason why it cannot start.

Reads the library's manifest, the bundles and, where there is one, the frozen campaign; writes
nothing, so that a mistake leaves nothing behind.
"""

import difflib
import logging
import shlex
from importlib.metadata import version

import pyarrow as pa

from screener.campaign.settings.config import (
    DEFAULT_BUNDLES,
    CampaignConfig,
    FunnelConfig,
    StageConfig,
)
from screener.campaign.settings.differences import asked, differences
from screener.campaign.settings.frozen import read_setup
from screener.campaign.settings.setup import LEVEL_2D, Setup, Stage
from screener.campaign.settings.user_table import is_of_ranking, joined_schema, read_join
from screener.chemistry.levels import GFN2_REDOX
from screener.chemistry.redox import require_solvent
from screener.chemistry.structures import StructureSettings
from screener.errors import ConfigError
from screener.funnel.features import VERSION
from screener.funnel.scoring import learnt
from screener.funnel.search import SearchSettings
from screener.inference.table import no_predictions
from screener.library.columns import result_name
from screener.models.bundle import Bundle, load_bundle, shipped_bundles
from screener.ranking.columns import check_columns, check_numeric, left_out, values_of
from screener.ranking.objectives import RankingSettings
from screener.stores.files import Folder, digest
from screener.stores.library import LibraryStore

log = logging.getLogger(__name__)

UNIT_ROWS = {"2d": 4096, "mmff94": 512, "gfn2-opt": 32}  # some seconds of work
FEWEST_ROWS = {"2d": 256, "mmff94": 32, "gfn2-opt": 4}  # less is lost in the handling
# a segment's files are compacted once its units are done: few files, none too large for memory
SEGMENT_ROWS = 65_536
SEGMENT_UNITS = 1_024
WANTED_UNITS = 32  # of a small stage, so that some tens of workers have work
WALL_CLOCK_SECONDS = {"mmff94": 60.0, "gfn2-opt": 600.0}
FINALISTS_PER_PLACE = 5
DEFAULT_SOLVENT, NO_SOLVENT = "acetonitrile", "none"


def resolve(config: CampaignConfig) -> tuple[Folder, Setup]:
    """Decide everything, against the library, the bundles and the campaign's own past.

    Args:
        config: what was asked; what it does not say comes from the frozen campaign or the defaults.
    Returns:
        the campaign's folder, and the campaign with the ranking that is asked now.
    Raises:
        ConfigError: it cannot start as asked, or differs in what is computed from what was begun.
        StoreError: the library or a bundle cannot be read.
    """
    if config.out is None:
        raise ConfigError("give the campaign's folder: --out CAMPAIGN")
    folder = Folder(absolute(config.out))
    frozen = read_setup(folder)
    if frozen is None and folder.names():
        raise ConfigError(
            f"{config.out} holds files and is not a campaign; give another folder to --out"
        )
    library_url = config.library or (frozen.library if frozen else None)
    if library_url is None:
        raise ConfigError("give a library: `screener library build` makes one from SMILES")
    if (path := Folder(library_url)).is_local and path.local_path().is_file():
        raise ConfigError(
            f"{library_url} is a file and not a library; make one of it: "
            f"screener library build {shlex.quote(library_url)} --out DIR"
        )
    library = LibraryStore.open(absolute(library_url))
    if library.n_rows == 0:
        raise ConfigError(f"the library {library_url} holds no molecules; see its quarantine")

    ranking = config.ranking.settings(frozen.ranking if frozen else None)
    acquisition = frozen.acquisition if frozen else ranking
    if not config.acquisition.says_nothing:
        acquisition = config.acquisition.settings(acquisition)
    finalists = config.finalists or FINALISTS_PER_PLACE * ranking.top
    if config.finalists is None and frozen is not None:
        finalists = frozen.stages[-1].rows or finalists
    wanted = _wanted(config, frozen)
    n_best = ranking.top if len(wanted) == 1 else wanted[1].rows or finalists
    funnel = _funnel(config.funnel, frozen, library, n_best, acquisition)
    bundles, stages = _stages(wanted, library, finalists, funnel)
    own_columns = _own_columns(library, bundles, frozen)
    joined = frozen.joined if frozen else None
    if config.join is not None:
        joined, _ = read_join(config.join, library)
    setup = Setup(
        library=library.folder.url,
        library_digest=library.digest,
        n_rows=library.n_rows,
        known_column=known_column_of(config.known_column, own_columns)
        or (frozen.known_column if frozen else None),
        joined=joined,
        versions={name: version(name) for name in ("rdkit", "tblite")},
        own_columns=own_columns,
        stages=stages,
        acquisition=acquisition,
        funnel=funnel,
        ranking=ranking,
    )
    if frozen is not None:
        require_same(config.out, frozen, setup)
    _check_columns(setup, library, bundles)
    return folder, setup


def absolute(url: str) -> str:
    """A local path made absolute (workers have other working directories); other URLs as is."""
    folder = Folder(url)
    return str(folder.local_path()) if folder.is_local else url


def _wanted(config: CampaignConfig, frozen: Setup | None) -> tuple[StageConfig, ...]:
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


def _funnel(
    asked_for: FunnelConfig,
    frozen: Setup | None,
    library: LibraryStore,
    n_best: int,
    acquisition: RankingSettings,
) -> SearchSettings | None:
    """How the first stage's rows are searched for; None where all are evaluated."""
    funnel = asked_for.settings(frozen.funnel if frozen else None, n_best)
    if funnel is None:
        return None
    if acquisition.by == "pareto":
        raise ConfigError(
            "a search needs one number for each molecule, and pareto ranks by several; leave out "
            'the budget, or acquire by value: [acquisition] by = "value"'
        )
    if funnel.budget >= library.n_rows:
        log.warning(
            "a budget of %d covers all %d molecules of the library: every one is evaluated",
            funnel.budget,
            library.n_rows,
        )
        return None
    n_first_and_chosen = sum(funnel.sizes(library.n_rows)[:-1])
    if n_first_and_chosen < n_best:
        raise ConfigError(
            f"a budget of {funnel.budget} molecules is too small: {n_first_and_chosen} of them are "
            f"no audit, and the best {n_best} are looked for; evaluate more, or ask for fewer "
            "finalists"
        )
    return funnel


def _stages(
    wanted: tuple[StageConfig, ...],
    library: LibraryStore,
    finalists: int,
    funnel: SearchSettings | None,
) -> tuple[list[Bundle], tuple[Stage, ...]]:
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
    if card.geometry_level not in WALL_CLOCK_SECONDS:
        raise ConfigError(
            f"bundle {card.name} needs structures at level {card.geometry_level}; campaigns make "
            f"{' and '.join(WALL_CLOCK_SECONDS)}"
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
        wall_clock_seconds=wanted.wall_clock_seconds or WALL_CLOCK_SECONDS[geometry.level],
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
    wanted = -(-n_rows // WANTED_UNITS)
    return max(FEWEST_ROWS[level], min(wanted, UNIT_ROWS[level]))


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


def _own_columns(
    library: LibraryStore, bundles: list[Bundle], frozen: Setup | None
) -> dict[str, str]:
    """The caller's columns and their names in predictions, `own_...` where the name is taken."""
    if frozen is not None and frozen.library_digest == library.digest:
        return frozen.own_columns  # as the units that are done have them
    taken = set(library.standard_columns)
    for bundle in bundles:
        taken.update(no_predictions(library, bundle, {}, (*GFN2_REDOX.yields,)).column_names)
    names: dict[str, str] = {}
    for name in library.columns[len(library.standard_columns) :]:
        stored = result_name(name)
        while stored in taken or is_of_ranking(stored):
            stored = f"own_{stored}"
        if stored != name:
            log.warning("column %r of the library is called %r in the results", name, stored)
        taken.add(stored)
        names[name] = stored
    return names


def known_column_of(asked_for: str | None, own_columns: dict[str, str]) -> str | None:
    """The name in predictions of the own column that marks known molecules; None where not asked.

    Raises:
        ConfigError: the library has no such column.
    """
    if asked_for is None:
        return None
    if asked_for not in own_columns:
        near = difflib.get_close_matches(asked_for, own_columns, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(own_columns)}"
        raise ConfigError(f"the library has no column {asked_for!r} of yours; {hint}")
    return own_columns[asked_for]


def require_same(out: str, frozen: Setup, now: Setup) -> None:
    """Refuse to resume a campaign with another computation.

    Args:
        out: the campaign's folder, for the message.
        frozen: what it was begun with.
        now: what is asked.
    Raises:
        ConfigError: shows the difference key by key.
    """
    lines = differences(frozen.compute, now.compute)
    if lines:
        listed = "\n".join(f"  {line.replace('stages.', 'stage ', 1)}" for line in lines)
        raise ConfigError(
            f"the campaign {out} was begun with other settings of what is computed:\n{listed}\n"
            "Leave these options as they were to resume it, or give another --out; structures "
            "that the library has already are used again"
        )


def _check_columns(setup: Setup, library: LibraryStore, bundles: list[Bundle]) -> None:
    predicting = [
        (stage, _schema(setup, library, bundle, stage))
        for stage, bundle in zip(setup.stages, bundles, strict=True)
        if stage.geometry is not None
    ]
    schemas = [schema for _, schema in predicting]
    known = {name for schema in schemas for name in schema.names}
    for settings in (setup.ranking, setup.acquisition):
        check_columns(settings, known)
        for schema in schemas:
            check_numeric(settings, schema)
    for stage, schema in predicting:
        _require_objective(setup.acquisition, schema, stage.name)
    _require_objective(setup.ranking, schemas[-1], setup.stages[-1].name)
    if setup.funnel is not None and not learnt(
        setup.acquisition, schemas[0].names, setup.certain_columns
    ):
        raise ConfigError(
            "a search learns what is predicted, and "
            f"{', '.join(each.column for each in setup.acquisition.objectives)} is known of every "
            "molecule beforehand; leave out the budget, or add an objective on a predicted column"
        )


def _schema(setup: Setup, library: LibraryStore, bundle: Bundle, stage: Stage) -> pa.Schema:
    """The columns of a stage's predictions, joined ones at the end."""
    schema = no_predictions(library, bundle, setup.own_columns, stage.value_columns).schema
    if setup.joined is None:
        return schema
    return joined_schema(schema, setup.joined)


def _require_objective(settings: RankingSettings, schema: pa.Schema, stage: str) -> None:
    missing = left_out(settings, schema.names)
    objectives = asked(settings)["objectives"]
    if set(objectives) <= set(missing):
        raise ConfigError(
            f"stage {stage} cannot rank: none of its columns is in {', '.join(objectives)}; add an "
            f"objective on one of {', '.join(values_of(n for n in schema.names if '_' in n))}"
        )
    if missing:
        log.warning("stage %s leaves out %s: no such column there", stage, ", ".join(missing))
