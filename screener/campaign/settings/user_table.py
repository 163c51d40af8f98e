"""A table of prices, availability or the like, joined to the molecules of a library.

The table is read once, its keys are checked, and what is left of it is kept with the campaign, so
that a ranking can be made again without the file.
"""

import logging
from collections import Counter
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from screener.chemistry.standardise import standardise
from screener.errors import ConfigError, MoleculeError, StoreError
from screener.library.columns import is_unnamed, result_name, typed_texts
from screener.library.settings import BuildSettings
from screener.library.whole_tables import read_whole
from screener.ranking.between_stages import DISAGREE, EARLIER, OTHER
from screener.ranking.columns import is_numeric, is_text
from screener.stores.files import Folder, digest, to_parquet
from screener.stores.joined import is_kept, write_joined
from screener.stores.library import LibraryStore
from screener.stores.number_texts import first_text
from screener.stores.paths import Name
from screener.stores.plain_columns import readable

log = logging.getLogger(__name__)

On = Literal["inchikey", "smiles"]

# what a ranking adds to the columns of the predictions
_OF_RANKING = (
    *("rank", "score", "known", "why", "alerts_raised"),
    *("nearest_known", "nearest_known_similarity"),
    *(DISAGREE, EARLIER),
    *("pareto_front", "pareto_utility", "expected_utility"),
)


class JoinConfig(BaseModel):
    """A table as it is asked for.

    Args:
        table: path or URL of a file of text (CSV, TSV) or Parquet.
        on: its column that says which molecule: `inchikey`, or `smiles`, which are standardised as
            the library's were; by default whichever it has, the InChIKey first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    on: On | None = None


class Joined(BaseModel):
    """A table that belongs to a campaign.

    Args:
        source: where it was read from.
        digest: of its content.
        key: `inchikey` or `mol_id`.
        columns: what it adds.
        numeric: those of them that are numbers, or text that all reads as numbers.
        no_numbers: of columns of text the first value that is no number, and its row.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    digest: Name
    key: Literal["inchikey", "mol_id"]
    columns: tuple[str, ...]
    numeric: tuple[str, ...]
    no_numbers: dict[str, str] = Field(default_factory=dict)


def is_of_ranking(name: str) -> bool:
    """Whether a ranking adds a column of this name."""
    return (
        name in _OF_RANKING or name.startswith(("desirability_", "margin_")) or name.endswith(OTHER)
    )


def joined_schema(schema: pa.Schema, joined: Joined) -> pa.Schema:
    """The columns of a stage with those of a joined table.

    Raises:
        ConfigError: a column is there already.
    """
    for name in joined.columns:
        if name in schema.names or is_of_ranking(name):
            whose = "the predictions'" if name in schema.names else "the ranking's"
            raise ConfigError(
                f"{joined.source}: column {name} is one of {whose} already; give it another name"
            )
        kind = pa.float64() if name in joined.numeric else pa.string()
        schema = schema.append(pa.field(name, kind))
    return schema


def read_join(config: JoinConfig, library: LibraryStore) -> tuple[Joined, pa.Table]:
    """Read and check a table.

    Args:
        config: what is asked.
        library: whose molecules it is about.
    Returns:
        the description, and the table: the key and the columns that it adds.
    Raises:
        ConfigError: it cannot be read, has no key or nothing else, names a molecule twice, or
            none that the library has.
    """
    return _read_join(config.table, config.on, library.folder.url, library.digest)


@lru_cache(maxsize=1)  # asked for when a campaign is resolved, and when it is written
def _read_join(source: str, on: On | None, url: str, _digest: str) -> tuple[Joined, pa.Table]:
    library = LibraryStore.open(url)
    table, from_text = read_whole(source)
    # of names that differ by case alone the one in small letters, or else the first
    names = {name.lower(): name for name in reversed(table.column_names)}
    names |= {name: name for name in table.column_names if name == name.lower()}
    key_column = on or next((each for each in ("inchikey", "smiles") if each in names), None)
    if key_column is None or key_column not in names:
        raise ConfigError(
            f"{source} has no column {on or 'inchikey or smiles'}; it has "
            f"{', '.join(table.column_names)}"
        )
    keys = [(each or "").strip() or None for each in readable(table[names[key_column]]).to_pylist()]
    key: Literal["inchikey", "mol_id"] = "inchikey"
    if key_column == "smiles":
        key, keys = "mol_id", _mol_ids(keys, library)
    table = table.drop_columns([names[each] for each in ("inchikey", "smiles") if each in names])
    # the index of a data frame, where the library was written from one too
    both = [name for name in table.column_names if is_unnamed(name) and name in library.columns]
    if both:
        log.warning("%s has %d columns without a name; they are not joined", source, len(both))
        table = table.drop_columns(both)
    if not table.column_names:
        raise ConfigError(
            f"{source} has no column besides {names[key_column]}: nothing is to be joined"
        )
    table = _with_result_names(source, table)
    if taken := sorted({*table.column_names} & {*library.columns}):
        raise ConfigError(
            f"{source}: column {taken[0]} is one of the library's already; give it another name"
        )
    kept = np.flatnonzero([each is not None for each in keys])
    table = table.take(pa.array(kept))
    table = typed_texts(table) if from_text else table
    no_numbers = _no_numbers(table, kept + 1)
    columns = tuple(table.column_names)
    table = table.append_column(key, pa.array(keys, pa.string()).take(pa.array(kept)))
    table = table.combine_chunks()
    twice = [name for name, n in Counter(table[key].to_pylist()).items() if n > 1]
    if twice:
        first = [place for place, each in enumerate(keys, start=1) if each == twice[0]]
        raise ConfigError(
            f"{source} names {len(twice):,} molecules more than once, such as rows "
            f"{', '.join(map(str, first[:5]))}; keep one row of each"
        )
    n_matched = _n_in(library, key, table[key])
    if n_matched == 0:
        raise ConfigError(
            f"none of the {len(keys):,} rows of {source} is about a molecule of the library; is "
            f"{names[key_column]} its {key_column}?"
        )
    if n_matched < len(keys):
        log.warning(
            "%d of the %d rows of %s are about molecules of the library; others are passed over",
            n_matched,
            len(keys),
            source,
        )
    joined = Joined(
        source=source,
        digest=digest({"key": key, "content": to_parquet(table).hex()}),
        key=key,
        columns=columns,
        numeric=tuple(
            name
            for name in columns
            if is_numeric(kind := table.schema.field(name).type)
            or (is_text(kind) and name not in no_numbers)
        ),
        no_numbers=no_numbers,
    )
    return joined, table


def _with_result_names(source: str, table: pa.Table) -> pa.Table:
    """The table with names that fit an SD file.

    Raises:
        ConfigError: two columns would have the same name.
    """
    names = [result_name(name) for name in table.column_names]
    for name, fit in zip(table.column_names, names, strict=True):
        if names.count(fit) > 1:
            raise ConfigError(
                f"{source} has several columns that are called {fit!r} in the results; give each a "
                "name of its own"
            )
        if fit != name:
            log.warning("column %r of %s is called %r in the results", name, source, fit)
    return table.rename_columns(names)


def _no_numbers(table: pa.Table, rows: NDArray[np.int64]) -> dict[str, str]:
    """The first value of each column of text that is no number, and where it stands.

    Args:
        table: (n,) rows.
        rows: (n,), their places in the file, from 1 for the first below the header.
    """
    reasons = {}
    for name in table.column_names:
        first = first_text(table[name]) if is_text(table.schema.field(name).type) else None
        if first is not None:
            place, text = first
            reasons[name] = f"{text!r} in row {rows[place]}"
    return reasons


def _mol_ids(smiles: list[str | None], library: LibraryStore) -> list[str | None]:
    settings = BuildSettings.model_validate(library.manifest.settings).molecules
    mol_ids: list[str | None] = []
    for each in smiles:
        try:
            mol_ids.append(standardise(each or "", settings)[0].mol_id)
        except MoleculeError:
            mol_ids.append(None)
    if n_unread := mol_ids.count(None):
        log.warning("%d rows of the joined table have no SMILES that can be read", n_unread)
    return mol_ids


def _n_in(library: LibraryStore, key: str, values: pa.ChunkedArray) -> int:
    """How many of the values occur in a column of the library."""
    seen: set[str] = set()
    for block in library.blocks([key]):
        seen.update(block.filter(pc.is_in(block[key], values.combine_chunks()))[key].to_pylist())
    return len(seen)


def keep_joined(folder: Folder, joined: Joined, library: LibraryStore) -> None:
    """Keep a table with a campaign, unless it is there already.

    Args:
        folder: of the campaign.
        joined: the table, as `read_join` checked it.
        library: whose molecules it is joined to.
    Raises:
        StoreError: its file has changed since `read_join`, or the folder cannot be written.
    """
    if is_kept(folder, joined.digest):
        return
    on: On = "inchikey" if joined.key == "inchikey" else "smiles"
    now, table = read_join(JoinConfig(table=joined.source, on=on), library)
    if now != joined:
        raise StoreError(f"{joined.source} has changed while it was read; run the command again")
    write_joined(folder, joined.digest, table)
