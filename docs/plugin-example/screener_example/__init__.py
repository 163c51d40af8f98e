"""A level, a quantity and a goal that screener finds by the entry points in pyproject.toml."""
