"""Inputs read as a build reads them: cut into spans and blocks, block by block."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from screener.library.record_blocks import Input, RecordRange, check_sources, join_ranges
from screener.library.settings import BuildSettings, Layout
from screener.library.sources import find_sources, fingerprint
from screener.library_build.cut_inputs import cut_span, plan_spans, ranges_of, table_head
from screener.library_build.read_blocks import records_of_block
from screener.records import Receipt
from screener.stores.files import Folder


def blocks_of(
    paths: Sequence[Path], temporary: Path, layout: Layout, settings: BuildSettings
) -> tuple[dict[int, Input], list[list[RecordRange]]]:
    """The inputs, and what each block is made of."""
    sources = find_sources([str(path) for path in paths])
    check_sources(sources, settings)
    spans = list(plan_spans(sources, [fingerprint(source) for source in sources], layout))
    details = []
    for span in spans:
        receipt = cut_span(Folder(str(temporary)), span, settings, layout)
        assert isinstance(receipt, Receipt)
        details.append(receipt.details)
    inputs: dict[int, Input] = {}
    for span, its_details in zip(spans, details, strict=True):
        way = Input(span.source, table_head(its_details), span.way == "copy")
        inputs.setdefault(span.position, way)
    return inputs, list(join_ranges(ranges_of(zip(spans, details, strict=True)), layout))


def read_in_blocks(
    paths: Sequence[Path], temporary: Path, layout: Layout, **settings: str
) -> tuple[list[pa.Table], int]:
    """The records of each block, and the number of blank lines."""
    build = BuildSettings(**settings)
    inputs, blocks = blocks_of(paths, temporary, layout, build)
    records, n_blank = [], 0
    for number, ranges in enumerate(blocks):
        table, blank = records_of_block(
            Folder(str(temporary)), number, ranges, inputs, build, layout
        )
        records.append(table)
        n_blank += blank
    return records, n_blank
