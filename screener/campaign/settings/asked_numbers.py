"""Whether the columns that a ranking asks for hold numbers.

Columns of the user's may be text that reads as numbers (`screener.stores.number_texts`). The build
of a library and the reading of a table to join look at every value, so that what is none is told
here, before anything is computed, with its place.
"""

import pyarrow as pa

from screener.campaign.settings.setup import Setup
from screener.ranking.columns import check_numeric, inputs_of, is_text
from screener.ranking.objectives import RankingSettings
from screener.stores.library import open_library


def require_numbers(setup: Setup, settings: RankingSettings, schema: pa.Schema) -> None:
    """Refuse objectives and constraints on columns that hold no numbers.

    Args:
        setup: of the campaign.
        settings: what is asked.
        schema: of a stage's predictions, with the columns of a joined table.
    Raises:
        ConfigError: names the column, and the first value that is no number.
        StoreError: the library cannot be read, which is where such values are told.
    """
    columns = (name for name in inputs_of(settings, schema.names) if name in schema.names)
    texts = _no_numbers(setup) if any(is_text(schema.field(each).type) for each in columns) else {}
    check_numeric(settings, schema, texts)


def _no_numbers(setup: Setup) -> dict[str, str | None]:
    """The user's columns by their names in results: why they are no numbers, where they are not."""
    texts: dict[str, str | None] = {}
    known = open_library(setup.library, setup.library_digest).manifest.no_numbers
    if known is not None:
        texts |= {stored: known.get(name) for name, stored in setup.own_columns.items()}
    if setup.joined is not None:
        texts |= {name: setup.joined.no_numbers.get(name) for name in setup.joined.columns}
    return texts
