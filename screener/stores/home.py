"""Where made data lies: `$SCREENER_HOME`, by default a cache folder of the user's."""

import os
from pathlib import Path


def screener_home() -> Path:
    """The folder for data that the project makes and can make again; it need not exist yet."""
    named = os.environ.get("SCREENER_HOME")
    if named:
        return Path(named).expanduser().resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "screener"
