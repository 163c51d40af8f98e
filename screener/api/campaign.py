"""Campaigns from Python."""

import html
import sys
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike, fspath

import pandas as pd
from distributed import Client

from screener.api.clusters import AGAIN, Path, connected
from screener.api.library import Library
from screener.campaign.driver.run import run_campaign
from screener.campaign.driver.stage_run import Progress
from screener.campaign.results.accounts import accounts
from screener.campaign.results.quarantine import SetAside, of_campaign
from screener.campaign.results.rank import rank_again
from screener.campaign.results.rankings import find_ranking, rankings
from screener.campaign.results.shortlist import FILES
from screener.campaign.results.status import Status, status
from screener.campaign.settings.config import CampaignConfig, StageConfig, read_config
from screener.campaign.settings.stage import Campaign as StoredCampaign
from screener.campaign.settings.stages import absolute
from screener.campaign.tasks import WORKER_IMPORTS
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.errors import ConfigError, interrupts_told
from screener.ranking.objectives import Constraint, Objective
from screener.report.collect import write_report, write_reports
from screener.stores.files import Folder
from screener.stores.predictions import with_names_of_now


class Campaign:
    """One screening run: a library, stages, a ranking, and a folder with all results.

    Constructing one only reads the configuration; nothing is started or written before `run`. An
    argument that is not given keeps the value with which the campaign was started; in a new
    campaign it has its default.

    Args:
        library: a `Library`, or its folder or URL.
        out: folder or URL of the campaign.
        config: a TOML file or a `CampaignConfig`, which the other arguments override.
        stages: the bundle of each stage, as `BUNDLE`, `BUNDLE@LEVEL` or a `StageConfig`.
        finalists: how many of the best molecules of a stage enter the next (default five times
            `top`).
        budget: how many molecules the first stage evaluates; a surrogate that learns from their
            results chooses them (default: the whole library is evaluated).
        preset: a shipped ranking, such as `electrolyte-solvent` (the default), or a TOML file.
        objectives: texts such as `maximise:lumo_b3lyp_ev`, or `Objective`s.
        constraints: texts such as `n_heavy<=12`, or `Constraint`s.
        by: `value` (the default), `bound` (the worse end of each 90 % interval), `probability` (of
            meeting all objectives) or `pareto` (fronts).
        top: how many molecules the shortlist has (default 100).
        max_similarity: largest Tanimoto similarity of two molecules of the shortlist.
        per_scaffold: most molecules of the shortlist with one ring scaffold.
        known_column: column of yours that is filled for molecules that are known already.
        join: a table of yours (CSV, Parquet) whose columns can be ranked by.
        on: the column of `join` that identifies molecules, `inchikey` or `smiles`.
        drawing_bundles: names or folders of bundles that read drawings; their columns stand beside
            those of every stage.
        structures: folder or URL where structures are kept, in common for several libraries
            (default beside the library).
        reselect: folder or URL of a campaign whose settings a new one takes over where nothing is
            said here; structures are used again.
    Raises:
        ConfigError: an argument or the file is not valid.
    """

    def __init__(
        self,
        library: "Library | Path | None" = None,
        out: Path | None = None,
        *,
        config: Path | CampaignConfig | None = None,
        stages: Sequence[str | StageConfig] = (),
        finalists: int | None = None,
        budget: int | None = None,
        preset: str | None = None,
        objectives: Sequence[str | Objective] = (),
        constraints: Sequence[str | Constraint] = (),
        by: str | None = None,
        top: int | None = None,
        max_similarity: float | None = None,
        per_scaffold: int | None = None,
        known_column: str | None = None,
        join: str | None = None,
        on: str | None = None,
        drawing_bundles: Sequence[str | PathLike[str]] = (),
        structures: str | PathLike[str] | None = None,
        reselect: str | PathLike[str] | None = None,
    ) -> None:
        if config is None:
            config = CampaignConfig()
        elif not isinstance(config, CampaignConfig):
            config = read_config(fspath(config))
        if isinstance(library, Library):
            library = library.url
        self.config = config.with_options(
            library=None if library is None else fspath(library),
            out=None if out is None else fspath(out),
            stages=stages,
            finalists=finalists,
            budget=budget,
            preset=preset,
            objectives=objectives,
            constraints=constraints,
            by=by,
            top=top,
            max_similarity=max_similarity,
            per_scaffold=per_scaffold,
            known_column=known_column,
            join=join,
            on=on,
            drawing_bundles=[fspath(each) for each in drawing_bundles],
            structures=None if structures is None else fspath(structures),
            reselect=None if reselect is None else fspath(reselect),
        )
        if self.config.out is None:
            raise ConfigError("give the campaign's folder: Campaign(library, out)")

    @property
    def folder(self) -> Folder:
        """The folder of the results."""
        return Folder(absolute(str(self.config.out)))

    def run(
        self,
        client: Client | None = None,
        progress: Callable[[Progress], None] | None = None,
        *,
        name: str | None = None,
        main: bool = False,
    ) -> "Campaign":
        """Run the campaign, or resume it, up to the shortlist and the report.

        Args:
            client: a Dask client; by default processes on this machine, one per CPU.
            progress: called with a `Progress` after every unit.
            name: what the ranking is called, by default after its preset or objectives. Where the
                campaign has other rankings, they stay as they are.
            main: whether it becomes the main ranking; the first always does.
        Returns:
            the campaign itself.
        Raises:
            ConfigError: the campaign cannot start with this configuration, or another ranking has
                the name; nothing was written.
            StoreError: a file cannot be read or written.
            ScreenerError: a task was lost with its worker several times.
            Interrupted: by the user; the same call goes on where this one was.
        """
        with interrupts_told(AGAIN), connected(client, WORKER_IMPORTS) as connection:
            folder, ranking = run_campaign(
                self.config,
                connection,
                progress=progress,
                command=_command(),
                name=name,
                main=main,
            )
        write_reports(folder, ranking)
        return self

    def rank(
        self,
        *,
        name: str | None = None,
        main: bool = False,
        preset: str | None = None,
        objectives: Sequence[str | Objective] = (),
        constraints: Sequence[str | Constraint] = (),
        by: str | None = None,
        top: int | None = None,
        max_similarity: float | None = None,
        per_scaffold: int | None = None,
        known_column: str | None = None,
        join: str | None = None,
        on: str | None = None,
    ) -> pd.DataFrame:
        """Rank the rows of the last stage by other objectives, without computing anything again.

        Other rankings stay as they are.

        Args:
            name: what the ranking is called; by default after its preset or objectives, with a
                number where another ranking has that name. With a name alone it is the ranking of
                that name, which can be made the main one so.
            main: whether it becomes the main one: its shortlist and report lie in the campaign's
                folder, those of others below `rankings`.
            preset, objectives, constraints, by, top, max_similarity, per_scaffold: as for
                `Campaign`; an argument that is not given is as in the campaign.
            known_column: column of yours that is filled for molecules that are known already.
            join: a table of yours whose columns can be ranked by.
            on: the column of `join` that identifies molecules, `inchikey` or `smiles`.
        Returns:
            its shortlist, as `shortlist` gives it.
        Raises:
            ConfigError: the campaign is not finished, a column is unknown, or another ranking has
                the name.
        """
        options = CampaignConfig().with_options(
            preset=preset,
            objectives=objectives,
            constraints=constraints,
            by=by,
            top=top,
            max_similarity=max_similarity,
            per_scaffold=per_scaffold,
            join=join,
            on=on,
        )
        ranking = rank_again(
            self.folder,
            options.ranking,
            command=_command(),
            name=name,
            main=main,
            known_column=known_column,
            join=options.join,
            connect=partial(connect, LocalSettings()),
        )
        write_report(self.folder, ranking.name)
        return self.shortlist(ranking.name)

    def rankings(self) -> pd.DataFrame:
        """The rankings of the campaign: the main one, then the others as they were made.

        Returns:
            `name`, `main`, `by`, `objectives` and `constraints` (lists of text), `top`, `score` and
            `score_meaning` (what the number is), `made` (UTC), `command`, `ranked` and
            `shortlisted` (molecules), `folder` (below the campaign's).
        Raises:
            ConfigError: the campaign has not been started.
        """
        return pd.DataFrame([each.as_json() for each in rankings(self.folder)])

    def shortlist(self, ranking: str | None = None) -> pd.DataFrame:
        """The shortlist of a ranking, best first.

        Args:
            ranking: its name; by default the main one.
        Returns:
            `rank`, `score` (larger is better; its name and meaning are in `frame.attrs`),
            `desirability_<objective>` (0 to 1), the identity of the molecule, and predicted columns
            in the unit that their name ends in, with `_std`, `_lo90`, `_hi90` and for delta models
            `_delta`; the caller's own columns come last.
        Raises:
            ConfigError: the campaign has no shortlist yet, or no such ranking.
        """
        found = find_ranking(self.folder, ranking)
        table = with_names_of_now(self.folder.read_table(found.path + FILES[0]))
        frame: pd.DataFrame = table.to_pandas()
        frame.attrs |= {"score": found.meaning.name, "score_meaning": found.meaning.sentence}
        return frame

    def status(self) -> Status:
        """How far the campaign is; works also while the campaign runs in another process.

        Raises:
            ConfigError: the campaign has not been started.
        """
        return status(self.folder)

    def accounts(self) -> pd.DataFrame:
        """How many rows of the library are in each final state; the sum is all rows.

        Raises:
            ConfigError: the campaign has not been started.
        """
        final = accounts(self.folder).final
        return pd.DataFrame({"state": list(final), "rows": list(final.values())})

    def quarantine(self) -> SetAside:
        """The molecules that its library and its stages set aside; see `Library.quarantine`.

        Raises:
            ConfigError: the campaign has not been started.
        """
        return of_campaign(StoredCampaign.open(self.folder))

    def __repr__(self) -> str:
        return f"Campaign({self.folder.url!r})"

    def _repr_html_(self) -> str:
        title = f"<p><b>Campaign</b> {html.escape(self.folder.url)}</p>"
        if not self.folder.exists("campaign.toml"):
            return title + "<p>not started</p>"
        stages = self.status().stages
        table = pd.DataFrame(
            {
                "stage": [stage.name for stage in stages],
                "rows": [stage.n_rows for stage in stages],
                "done": [stage.n_rows_done for stage in stages],
                "quarantined": [stage.n_quarantined for stage in stages],
            }
        ).to_html(index=False)
        if not self.folder.exists("shortlist.parquet"):
            return title + table
        columns = ["rank", "score", "source_id", "smiles"]
        return title + table + self.shortlist()[columns].head(10).to_html(index=False)


def _command() -> list[str]:
    return [sys.argv[0] or "python"]
