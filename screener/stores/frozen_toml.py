"""TOML text from plain values, for the frozen configuration of a campaign.

The standard library reads TOML and does not write it. Tables, arrays of tables, strings, numbers,
booleans and lists of these are all that a configuration has; None means that the key is left out.
"""

import json
from collections.abc import Mapping
from typing import Any


def to_toml(values: Mapping[str, Any]) -> str:
    """TOML that `tomllib` reads back as `values`, without the keys that are None.

    Raises:
        TypeError: a value has no form in TOML.
    """
    return "\n".join(_table(values, ())).strip() + "\n"


def _table(values: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = []
    tables: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) or _is_array_of_tables(value):
            tables.append((key, value))  # TOML wants a table's own keys before its tables
        elif value is not None:
            lines.append(f"{_key(key)} = {_value(value)}")
    for key, value in tables:
        name = (*path, _key(key))
        if isinstance(value, Mapping):
            lines += ["", f"[{'.'.join(name)}]", *_table(value, name)]
        else:
            for item in value:
                lines += ["", f"[[{'.'.join(name)}]]", *_table(item, name)]
    return lines


def _is_array_of_tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(item, Mapping) for item in value)
    )


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare else _string(key)


def _string(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped and JSON does not.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)  # shortest text that reads back as the same number; inf and nan are TOML
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    raise TypeError(f"{type(value).__name__} has no form in TOML")
