"""Screener from Python: libraries, campaigns and models, for scripts and notebooks.

Thin: every call goes to the function that the command line calls. Results come as pandas tables,
and in a notebook the objects show themselves.
"""

import html
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from os import PathLike, fspath
from typing import Any

import pandas as pd
from distributed import Client

from screener.campaign.driver.run import run_campaign
from screener.campaign.driver.stage_run import Progress
from screener.campaign.results.accounts import Accounts, accounts
from screener.campaign.results.rank import rank_again
from screener.campaign.results.status import Status, status
from screener.campaign.settings.config import CampaignConfig, StageConfig, read_config
from screener.campaign.settings.resolve import absolute
from screener.chemistry.standardise import StandardiseSettings
from screener.cluster.factory import connect
from screener.cluster.settings import LocalSettings
from screener.errors import ConfigError
from screener.inference.model import Model
from screener.library_build.build import build_library
from screener.ranking.objectives import Constraint, Objective
from screener.report.collect import write_report
from screener.stores.files import Folder
from screener.stores.library import LibraryManifest, LibraryStore

__all__ = ["Accounts", "Campaign", "Library", "Model", "Status", "load_model"]

Path = str | PathLike[str]


def load_model(name_or_path: Path) -> Model:
    """A trained model.

    Args:
        name_or_path: a shipped bundle, such as `qm9-mmff94-direct`, or a folder.
    Returns:
        a `Model`; its `predict` takes SMILES or structures and gives a DataFrame.
    Raises:
        ConfigError: there is no such bundle.
        SchemaError: it is of another schema version, or does not give its golden predictions here.
    """
    return Model(fspath(name_or_path))


class Library:
    """A library of standardised molecules on disk; from `Library.build` or `Library.open`."""

    def __init__(self, store: LibraryStore) -> None:
        self.store = store

    @classmethod
    def build(
        cls,
        inputs: Path | Sequence[Path],
        out: Path,
        *,
        settings: StandardiseSettings | None = None,
        client: Client | None = None,
        smiles_column: str | None = None,
        id_column: str | None = None,
    ) -> "Library":
        """Build a library from files, or finish one that was begun.

        Args:
            inputs: SMILES, CSV/TSV, SDF or Parquet files, also `.gz` and `.zst`, globs and URLs.
            out: folder or URL of the library.
            settings: what is accepted and how it is standardised.
            client: a Dask client; by default processes on this machine, one per CPU.
            smiles_column: column of the SMILES in tables; by default found by its name.
            id_column: column of your ids, in tables or an SDF's data; by default found by its name,
                or an SDF's title.
        Raises:
            ConfigError: no input, no SMILES column, or no valid molecule.
            StoreError: a file cannot be read or written.
        """
        paths = [inputs] if isinstance(inputs, str | PathLike) else list(inputs)
        with _connected(client) as connection:
            store = build_library(
                [fspath(path) for path in paths],
                fspath(out),
                settings or StandardiseSettings(),
                connection,
                smiles_column=smiles_column,
                id_column=id_column,
            )
        return cls(store)

    @classmethod
    def open(cls, url: Path) -> "Library":
        """Open a library.

        Raises:
            StoreError: there is none, or its build was not finished.
            SchemaError: it is broken or of another schema version.
        """
        return cls(LibraryStore.open(absolute(fspath(url))))

    @property
    def url(self) -> str:
        """Where it lies."""
        return self.store.folder.url

    @property
    def manifest(self) -> LibraryManifest:
        """Settings, inputs and totals."""
        return self.store.manifest

    def __len__(self) -> int:
        return self.store.n_rows

    def rows(self, start: int = 0, stop: int | None = None) -> pd.DataFrame:
        """Rows `start` to `stop` (exclusive; by default ten) with all their columns."""
        last = min(start + 10 if stop is None else stop, len(self))
        frame: pd.DataFrame = self.store.read_range(start, last).to_pandas()
        return frame

    def __repr__(self) -> str:
        return f"Library({self.url!r}, {len(self):,} molecules)"

    def _repr_html_(self) -> str:
        totals = self.manifest.totals
        counts = (
            f"{totals.read:,} read = {totals.kept:,} kept + {totals.duplicates:,} duplicates "
            f"+ {totals.quarantined:,} quarantined"
        )
        return f"<p><b>Library</b> {html.escape(self.url)}<br>{counts}</p>" + self.rows().to_html()


class Campaign:
    """One screening run: a library, stages, a ranking and a folder with all results.

    Making one reads the configuration; nothing is started or written before `run`. What is not
    said is as in the campaign's folder where it exists already, otherwise the default.

    Args:
        library: a `Library`, or its folder or URL.
        out: folder or URL of the campaign.
        config: a TOML file or a `CampaignConfig` that the other arguments add to.
        stages: bundles, as `BUNDLE` or `BUNDLE@LEVEL`, or `StageConfig`s.
        finalists: how many of the best of a stage enter the next (default five times `top`).
        budget: molecules that the first stage evaluates, searched for by a surrogate that learns
            from them (default the whole library).
        preset: a shipped ranking, such as `electrolyte-solvent` (the default), or a TOML file.
        objectives: such as `maximise:lumo_b3lyp_ev`, or `Objective`s.
        constraints: such as `n_heavy<=12`, or `Constraint`s.
        by: `value` (the default), or `bound` for the worse end of each 90 % interval.
        top: how many molecules the shortlist holds (default 100).
        max_similarity: Tanimoto similarity of any two of them, at most.
        per_scaffold: molecules of one ring scaffold, at most.
        known_column: own column whose non-empty rows are known molecules.
        join, on: a table of your own to rank by, and its column that says which molecule.
    Raises:
        ConfigError: a text, number or file does not fit.
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
        )
        if self.config.out is None:
            raise ConfigError("give the campaign's folder: Campaign(library, out)")

    @property
    def folder(self) -> Folder:
        """Where the results lie."""
        return Folder(absolute(str(self.config.out)))

    def run(
        self,
        client: Client | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> "Campaign":
        """Run or resume to the shortlist and the report; returns the campaign itself.

        Args:
            client: a Dask client; by default processes on this machine, one per CPU.
            progress: called after every unit with a `Progress`.
        Raises:
            ConfigError: it cannot start as asked; nothing is written.
            StoreError: a file cannot be read or written.
            ScreenerError: workers were lost again and again.
        """
        with _connected(client) as connection:
            folder, _ = run_campaign(self.config, connection, progress=progress, command=_command())
        write_report(folder)
        return self

    def rank(
        self,
        *,
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

        Args:
            preset, objectives, constraints, by, top, max_similarity, per_scaffold: what is wanted
                now; what is not said is as in the campaign.
            known_column: own column that is not empty for molecules that are known already.
            join, on: a table of your own to rank by, and its column that says which molecule.
        Returns:
            the new shortlist.
        Raises:
            ConfigError: the campaign is not finished, or a column is unknown.
        """
        asked = CampaignConfig().with_options(
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
        rank_again(
            self.folder,
            asked.ranking,
            command=_command(),
            known_column=known_column,
            join=asked.join,
            connect=partial(connect, LocalSettings()),
        )
        write_report(self.folder)
        return self.shortlist()

    def shortlist(self) -> pd.DataFrame:
        """The ranked shortlist, best first.

        Returns:
            `rank`, `score` (larger is better), `desirability_<objective>` (0 to 1), identity,
            predicted columns in the unit that their name ends in, with `_std`, `_lo90`, `_hi90` and
            for delta models `_delta`; the caller's own columns last.
        Raises:
            StoreError: the campaign has not come to its shortlist.
        """
        frame: pd.DataFrame = self.folder.read_table("shortlist.parquet").to_pandas()
        return frame

    def status(self) -> Status:
        """How far the campaign is; can be asked while it runs elsewhere.

        Raises:
            ConfigError: it has not been started.
        """
        return status(self.folder)

    def accounts(self) -> pd.DataFrame:
        """Where every row of the library ended: one line per final state, adding up to all rows.

        Raises:
            ConfigError: the campaign has not been started.
        """
        final = accounts(self.folder).final
        return pd.DataFrame({"state": list(final), "rows": list(final.values())})

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


def _connected(client: Client | None) -> Any:
    """The given client, which stays open, or one of our own for as long as the context."""
    return connect(LocalSettings()) if client is None else nullcontext(client)


def _command() -> list[str]:
    return [sys.argv[0] or "python"]
