"""The column of the caller's that marks molecules which are known already."""

import difflib

from screener.errors import ConfigError


def known_column_of(asked_for: str | None, own_columns: dict[str, str]) -> str | None:
    """The name in predictions of the own column that marks known molecules; None where not asked.

    Raises:
        ConfigError: the library has no such column.
    """
    if asked_for is None:
        return None
    if asked_for not in own_columns:
        near = difflib.get_close_matches(asked_for, own_columns, n=3)
        hint = f"it has {', '.join(own_columns) or 'none'} beside SMILES and id"
        if near:
            hint = f"did you mean {', '.join(near)}?"
        raise ConfigError(f"the library has no column {asked_for!r} of yours; {hint}")
    return own_columns[asked_for]
