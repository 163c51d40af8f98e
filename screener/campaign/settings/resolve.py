"""From what was asked to a campaign with everything decided, or a reason why it cannot start.

Reads the library's manifest, the bundles and, where there is one, the frozen campaign; writes
nothing, so that a mistake leaves nothing behind.
"""

import logging
import shlex

import pyarrow as pa

from screener.campaign.settings.asked_numbers import require_numbers
from screener.campaign.settings.config import (
    CampaignConfig,
    FunnelConfig,
)
from screener.campaign.settings.differences import asked, differences
from screener.campaign.settings.frozen import read_setup
from screener.campaign.settings.known_column import known_column_of
from screener.campaign.settings.ranking import RankingConfig
from screener.campaign.settings.setup import Setup, Stage
from screener.campaign.settings.stages import (
    absolute,
    decided_drawing_bundles,
    decided_stages,
    wanted_stages,
)
from screener.campaign.settings.used_plugins import used_plugins
from screener.campaign.settings.user_table import is_of_ranking, joined_schema, read_join
from screener.errors import ConfigError
from screener.funnel.scoring import learnt
from screener.funnel.settings import SearchSettings
from screener.inference.table import no_predictions
from screener.library.columns import result_name
from screener.models.bundle import Bundle, open_bundle
from screener.ranking.columns import (
    check_columns,
    computable_columns,
    left_out,
    values_of,
)
from screener.ranking.objectives import Constraint, Objective, RankingSettings
from screener.registry.columns import former_columns
from screener.stores.files import Folder
from screener.stores.library import LibraryStore
from screener.structures.recipe import installed

log = logging.getLogger(__name__)

FINALISTS_PER_PLACE = 5


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
    base = frozen if config.reselect is None or frozen else _reselected(config.reselect)
    library_url = config.library or (base.library if base else None)
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

    ranking = config.ranking.settings(base.ranking if base else None)
    acquisition = frozen.acquisition if frozen else ranking
    if not config.acquisition.says_nothing:
        acquisition = config.acquisition.settings(acquisition)
    finalists = config.finalists or FINALISTS_PER_PLACE * ranking.top
    if config.finalists is None and base is not None:
        finalists = base.stages[-1].rows or finalists
    wanted = wanted_stages(config, base)
    n_best = ranking.top if len(wanted) == 1 else wanted[1].rows or finalists
    funnel = _funnel(config.funnel, base, library, n_best, acquisition)
    drawing_bundles = decided_drawing_bundles(config, base)
    more = [open_bundle(each.bundle, each.digest) for each in drawing_bundles]
    bundles, stages = decided_stages(wanted, library, finalists, funnel, drawing_bundles)
    own_columns = _own_columns(library, bundles, more, base)
    joined = base.joined if base else None
    if config.join is not None:
        joined, _ = read_join(config.join, library)
    setup = Setup(
        library=library.folder.url,
        library_digest=library.digest,
        structures=_structures(config, frozen, base, library),
        n_rows=library.n_rows,
        known_column=known_column_of(config.known_column, own_columns)
        or (base.known_column if base else None),
        joined=joined,
        versions=installed(),
        own_columns=own_columns,
        stages=stages,
        acquisition=acquisition,
        funnel=funnel,
        ranking=ranking,
        weighs_stages=frozen is None or frozen.weighs_stages,
        plugins=used_plugins(
            stages, [each.card for each in (*bundles, *more)], (acquisition, ranking)
        ),
    )
    if frozen is not None:
        setup = _with_former_digests(setup, bundles, frozen)
        require_same(config.out, frozen, setup)
    _check_columns(setup, library, bundles, config)
    return folder, setup


def _structures(
    config: CampaignConfig, frozen: Setup | None, base: Setup | None, library: LibraryStore
) -> str | None:
    """The folder of structures; None where it is that beside the library.

    Args:
        config: what was asked.
        frozen: the campaign that is resumed.
        base: that one, or the one whose settings are taken over.
        library: whose rows are screened.
    Raises:
        ConfigError: another folder than that of the campaign.
    """
    beside = f"{library.folder.url.rstrip('/')}/structures"
    kept = beside if frozen is None else frozen.structures or beside
    if config.structures is not None:
        root = absolute(config.structures).rstrip("/")
        if frozen is not None and root != kept:
            raise ConfigError(
                f"the campaign {config.out} keeps its structures in {kept}, not in {root}; leave "
                "out the other folder to resume it, or give another --out"
            )
    elif frozen is None and base is not None:
        root = base.structures_root
    else:
        root = kept
    return None if root == beside else root


def _with_former_digests(setup: Setup, bundles: list[Bundle], frozen: Setup) -> Setup:
    """The campaign, its bundles called as when it was begun where they predict the same."""
    if len(frozen.stages) != len(setup.stages):
        return setup
    stages = tuple(
        stage.model_copy(update={"bundle_digest": before.bundle_digest})
        if bundle.is_the_one(before.bundle_digest)
        else stage
        for stage, before, bundle in zip(setup.stages, frozen.stages, bundles, strict=True)
    )
    return setup.model_copy(update={"stages": stages})


def _reselected(url: str) -> Setup:
    """The campaign whose configuration a new one takes over, but for what chooses and ranks.

    Raises:
        ConfigError: there is none in the folder.
    """
    before = read_setup(Folder(absolute(url)))
    if before is None:
        raise ConfigError(f"--reselect {url}: the folder holds no campaign")
    return before


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


def _own_columns(
    library: LibraryStore, bundles: list[Bundle], more: list[Bundle], frozen: Setup | None
) -> dict[str, str]:
    """The caller's columns and their names in predictions, `own_...` where the name is taken."""
    if frozen is not None and frozen.library_digest == library.digest:
        return frozen.own_columns  # as the units that are done have them
    taken = {*library.standard_columns, *former_columns()}
    computable = tuple(sorted(computable_columns()))
    for bundle in bundles:
        taken.update(no_predictions(library, bundle, {}, computable, more).column_names)
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


def _check_columns(
    setup: Setup, library: LibraryStore, bundles: list[Bundle], config: CampaignConfig
) -> None:
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
            require_numbers(setup, settings, schema)
    chosen = config.ranking if config.acquisition.says_nothing else config.acquisition
    for stage, schema in predicting:
        _require_objective(setup.acquisition, schema, stage.name, chosen)
    _require_objective(setup.ranking, schemas[-1], setup.stages[-1].name, config.ranking)
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
    schema = no_predictions(
        library,
        bundle,
        setup.own_columns,
        stage.value_columns,
        [open_bundle(each.bundle, each.digest) for each in stage.drawing_bundles],
    ).schema
    if setup.joined is None:
        return schema
    return joined_schema(schema, setup.joined)


def _require_objective(
    settings: RankingSettings, schema: pa.Schema, stage: str, config: RankingConfig
) -> None:
    """Refuse a stage that cannot rank, and warn of what was asked for and cannot be had there.

    Of what a preset asks for itself nobody is warned: it names columns that finalists alone have,
    and the shortlist and the report tell what was left out.

    Args:
        settings: what rows are chosen or ranked by.
        schema: of the stage's predictions.
        stage: its name.
        config: the settings as they were asked for.
    Raises:
        ConfigError: none of the objectives has a column there.
    """
    missing = left_out(settings, schema.names)
    objectives = asked(settings)["objectives"]
    if set(objectives) <= set(missing):
        raise ConfigError(
            f"stage {stage} cannot rank: none of its columns is in {', '.join(objectives)}; add an "
            f"objective on one of {', '.join(values_of(n for n in schema.names if '_' in n))}"
        )
    asked_for: list[Objective | Constraint] = [*config.objectives, *config.constraints]
    said = {each.column for each in asked_for}
    criteria: list[Objective | Constraint] = [*settings.objectives, *settings.constraints]
    of_user = [each.text for each in criteria if each.text in missing and each.column in said]
    if of_user:
        log.warning("stage %s leaves out %s: no such column there", stage, ", ".join(of_user))
