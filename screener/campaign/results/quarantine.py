"""Molecules that a library and the stages of a campaign set aside: to count, to list and to export.

They are read part by part, some 100,000 molecules at a time, so there may be millions. The order is
that of the library's input, and after it that of the stages.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from screener.campaign.settings.stage import Campaign, CampaignStage
from screener.enumeration.output import require_new, writing
from screener.errors import ConfigError
from screener.records import Receipt
from screener.stores.files import Folder
from screener.stores.library import MANIFEST, LibraryStore, open_library
from screener.stores.predictions import PredictionStore
from screener.stores.quarantine import complete

if TYPE_CHECKING:
    from dask.dataframe import DataFrame

SCHEMA = pa.schema(
    [
        ("stage", pa.string()),  # `library`, or a stage of the campaign
        ("code", pa.string()),
        ("message", pa.string()),
        ("source_id", pa.string()),  # the caller's id, otherwise `file:line`
        ("source", pa.string()),  # input file; null at the stages of a campaign
        ("line", pa.int64()),  # 1-based line or record in it
        ("smiles_input", pa.string()),  # as it was given; of an SDF the beginning of the record
        ("row", pa.int64()),  # of the library; null for what the library set aside
        ("mol_id", pa.string()),
    ]
)
LIBRARY = "library"
ENDINGS = (".csv", ".csv.gz", ".parquet")
_PART_ROWS = 65_536
_NAMED = ("source_id", "mol_id", "smiles_input")


class Part(Protocol):
    """Some of the molecules; can be pickled."""

    def __call__(self) -> pa.Table:
        """Read them: a table of `SCHEMA`."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """The molecules that were set aside.

    Args:
        counts: how many, by stage and code; stages in their order, frequent codes first.
        parts: where they are read from, in order.
    """

    counts: Mapping[tuple[str, str], int]
    parts: Sequence[Part]

    def __len__(self) -> int:
        return sum(self.counts.values())

    def tables(self, names: Sequence[str] = ()) -> Iterator[pa.Table]:
        """Tables of `SCHEMA`, one part after the other.

        Args:
            names: ids, `mol_id`s or SMILES as given; only molecules that are called so.
        Yields:
            tables that are not empty.
        """
        for part in self.parts:
            table = part()
            if names:
                wanted = pa.array(names, pa.string())
                hits = [pc.is_in(table[column], wanted) for column in _NAMED]
                table = table.filter(pc.or_(pc.or_(hits[0], hits[1]), hits[2]))
            if table.num_rows:
                yield table

    def reader(self) -> pa.RecordBatchReader:
        """A stream of record batches, which reads no further than it is read."""
        batches = (batch for table in self.tables() for batch in table.to_batches())
        return pa.RecordBatchReader.from_batches(SCHEMA, batches)

    def dask(self) -> "DataFrame":
        """A Dask data frame with one partition per part, whose columns have Arrow's types."""
        import dask.dataframe as dd

        empty = _frame(SCHEMA.empty_table)
        if not self.parts:
            return dd.from_pandas(empty, npartitions=1)
        return dd.from_map(_frame, list(self.parts), meta=empty)

    def export(self, out: str) -> None:
        """Write all of them to a new file, which appears once it is complete.

        Raises:
            ConfigError: the ending names no format, or the file is there already.
            StoreError: a file cannot be read or written.
        """
        require_exportable(out)
        with writing(out, SCHEMA) as file:
            for table in self.tables():
                file.write(table)


def require_exportable(out: str) -> None:
    """Raises ConfigError: the ending of the name is no format of `export`, or there is the file."""
    if not out.endswith(ENDINGS):
        raise ConfigError(f"--out {out}: the name has to end in {', '.join(ENDINGS)}")
    require_new(out)


def set_aside_by(folder: Folder) -> SetAside:
    """What a library set aside; or what a campaign did, with its library first.

    Args:
        folder: of a library or a campaign, which may be running.
    Raises:
        ConfigError: it is neither.
        StoreError: a file of it cannot be read.
    """
    if folder.exists(MANIFEST):
        return of_library(LibraryStore.open(folder.url))
    return of_campaign(Campaign.open(folder))


def of_library(library: LibraryStore) -> SetAside:
    """The molecules that a library set aside, in the order of its input."""
    codes = Counter(library.manifest.totals.quarantined_by_code)
    paths = library.manifest.quarantine
    return SetAside(_counts(LIBRARY, codes), [_OfLibrary(library.folder, path) for path in paths])


def of_campaign(campaign: Campaign) -> SetAside:
    """The molecules that a campaign's library set aside, and then those of its stages."""
    setup = campaign.setup
    library = open_library(setup.library, setup.library_digest)
    first = of_library(library)
    counts, parts = dict(first.counts), list(first.parts)
    for stage in campaign.stages:
        codes, of_stage = _of_stage(stage)
        counts |= _counts(stage.name, codes)
        parts += of_stage
    return SetAside(counts, parts)


def _counts(stage: str, codes: Counter[str]) -> dict[tuple[str, str], int]:
    by_number = sorted(codes.items(), key=lambda item: (-item[1], item[0]))
    return {(stage, code): number for code, number in by_number}


def _of_stage(stage: CampaignStage) -> tuple[Counter[str], list[Part]]:
    """How many molecules a stage set aside by code, and where they lie; files that are small are
    read together."""
    codes: Counter[str] = Counter()
    parts: list[Part] = []
    group: list[Receipt] = []
    n_rows, last = 0, ""

    def close_group() -> None:
        nonlocal group, n_rows
        if group:
            setup = stage.setup
            parts.append(
                _OfStage(stage.store, stage.name, tuple(group), setup.library, setup.library_digest)
            )
        group, n_rows = [], 0

    for receipt in stage.store.receipts.all():
        of_unit = receipt.details["quarantine"]
        codes.update(of_unit)
        path = next((each for each in receipt.files if each.startswith("quarantine/")), last)
        if path != last:  # units that are compacted share a file
            if n_rows >= _PART_ROWS:
                close_group()
            group.append(replace(receipt, details={}))
            last = path
        n_rows += sum(of_unit.values())
    close_group()
    return codes, parts


@dataclass(frozen=True, slots=True)
class _OfLibrary:
    folder: Folder
    path: str

    def __call__(self) -> pa.Table:
        table = complete(self.folder.read_table(self.path))
        lines = pc.cast(table["line"], pa.string())
        place = pc.binary_join_element_wise(table["source"], lines, ":")
        return _listed(
            table,
            LIBRARY,
            source_id=pc.coalesce(table["source_id"], place),
            source=table["source"],
            line=table["line"],
            smiles_input=table["raw"],
        )


@dataclass(frozen=True, slots=True)
class _OfStage:
    store: PredictionStore
    stage: str
    receipts: tuple[Receipt, ...]
    library: str
    library_digest: str

    def __call__(self) -> pa.Table:
        files = (self.store.quarantine_file(receipt) for receipt in self.receipts)
        table = pa.concat_tables([file for file in files if file is not None])
        library = open_library(self.library, self.library_digest)
        rows = library.read_rows(table["row"].to_numpy(), ["source_id", "smiles_input"])
        return _listed(
            table,
            self.stage,
            source_id=rows["source_id"],
            smiles_input=rows["smiles_input"],
            row=table["row"],
            mol_id=table["mol_id"],
        )


def _listed(table: pa.Table, stage: str, **columns: Any) -> pa.Table:
    """A table of `SCHEMA`; what is not given is null."""
    given = {
        "stage": pa.repeat(pa.scalar(stage), table.num_rows),
        "code": table["code"],
        "message": table["message"],
        **columns,
    }
    return pa.table(
        [given.get(each.name, pa.nulls(table.num_rows, each.type)) for each in SCHEMA],
        schema=SCHEMA,
    )


def _frame(part: Part) -> pd.DataFrame:
    frame: pd.DataFrame = part().to_pandas(types_mapper=pd.ArrowDtype)
    return frame
