"""Options and keys that have another name by now: the old one is read for one release."""

import logging
from collections.abc import Mapping
from typing import Any

from screener.errors import ConfigError

log = logging.getLogger(__name__)


def with_new_names(
    values: Mapping[str, Any], new_names: Mapping[str, str], where: str
) -> dict[str, Any]:
    """Values under their present names; whoever used an old one is warned.

    Args:
        values: keys of a TOML table, or options of a command; what is None was not given.
        new_names: present names by old ones.
        where: the table or command, for the message.
    Returns:
        the values without old names.
    Raises:
        ConfigError: a value is given under both of its names.
    """
    renamed = {name: value for name, value in values.items() if name not in new_names}
    for old, new in new_names.items():
        value = values.get(old)
        if value is None:
            continue
        if renamed.get(new) is not None:
            raise ConfigError(f"{where}: {old} is the old name of {new}; leave one of them out")
        log.warning(
            "%s: %s is called %s now; the next release will not know %s", where, old, new, old
        )
        renamed[new] = value
    return renamed
