"""Libraries from Python."""

import html
from collections.abc import Sequence
from os import PathLike, fspath

import pandas as pd
from distributed import Client

from screener.api.clusters import AGAIN, Path, connected
from screener.campaign.results.quarantine import SetAside, of_library
from screener.campaign.settings.stages import absolute
from screener.chemistry.standardise import StandardiseSettings
from screener.errors import ConfigError, interrupts_told
from screener.library_build import tasks
from screener.library_build.build import build_library
from screener.stores.library import LibraryManifest, LibraryStore


class Library:
    """A library of standardised molecules on disk, from `Library.build` or `Library.open`."""

    def __init__(self, store: LibraryStore) -> None:
        if isinstance(store, str | PathLike):  # people give the folder
            raise ConfigError(f"open a library with Library.open({str(store)!r})")
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
        """Build a library from files, or finish a build that was interrupted.

        Args:
            inputs: SMILES, CSV/TSV, SDF or Parquet files, also `.gz` and `.zst`, globs and URLs.
            out: folder or URL of the library.
            settings: which molecules are accepted and how they are standardised.
            client: a Dask client; by default processes on this machine, one per CPU.
            smiles_column: column with the SMILES in tables; by default recognised by its name.
            id_column: column with your ids in tables, or data field in SDF; by default recognised
                by its name, and in SDF the title of a record.
        Returns:
            the finished library.
        Raises:
            ConfigError: no input, no SMILES column, or no valid molecule.
            StoreError: a file cannot be read or written.
            Interrupted: by the user; the same call goes on where this one was.
        """
        paths = [inputs] if isinstance(inputs, str | PathLike) else list(inputs)
        with interrupts_told(AGAIN), connected(client, tasks.__name__) as connection:
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
            StoreError: there is no library, or its build was not finished.
            SchemaError: a file of it is broken or of another schema version.
        """
        return cls(LibraryStore.open(absolute(fspath(url))))

    @property
    def url(self) -> str:
        """Its folder, as a URL."""
        return self.store.folder.url

    @property
    def manifest(self) -> LibraryManifest:
        """Its settings, inputs and totals."""
        return self.store.manifest

    def __len__(self) -> int:
        return self.store.n_rows

    def rows(self, start: int = 0, stop: int | None = None) -> pd.DataFrame:
        """Rows `start` to `stop`, the latter excluded, with all columns; by default ten rows."""
        last = min(start + 10 if stop is None else stop, len(self))
        frame: pd.DataFrame = self.store.read_range(start, last).to_pandas()
        return frame

    def quarantine(self) -> SetAside:
        """The molecules that were set aside, of which there may be millions.

        Returns:
            their `counts` by stage and code; `reader()` gives them as a stream of Arrow batches,
            `dask()` as a Dask data frame, and `export(FILE)` writes CSV or Parquet.
        """
        return of_library(self.store)

    def __repr__(self) -> str:
        return f"Library({self.url!r}, {len(self):,} molecules)"

    def _repr_html_(self) -> str:
        totals = self.manifest.totals
        counts = (
            f"{totals.read:,} read = {totals.kept:,} kept + {totals.duplicates:,} duplicates "
            f"+ {totals.quarantined:,} quarantined"
        )
        return f"<p><b>Library</b> {html.escape(self.url)}<br>{counts}</p>" + self.rows().to_html()
