"""Log records as JSON lines, with the keys that a campaign's journal has."""

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One object per record: time, level, event, its fields; `message` and `logger` where it is no
    event; `traceback` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
        }
        if hasattr(record, "event"):
            told |= {"event": record.event, **getattr(record, "fields", {})}
        else:
            told |= {"event": "log", "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)
