"""Log records as JSON lines, with the same keys as a campaign's journal."""

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """Formats each record as one JSON object.

    An event has `time`, `level`, `event` and the fields of the event. Any other record has the
    event `log`, with `logger` and `message`. A record of an exception has a `traceback`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        values = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
        }
        if hasattr(record, "event"):
            values |= {"event": record.event, **getattr(record, "fields", {})}
        else:
            values |= {"event": "log", "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, ensure_ascii=False, default=str)
