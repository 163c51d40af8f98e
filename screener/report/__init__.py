"""What a campaign found, as one file that a person reads. Computes nothing new.

`content` says what a report holds, `collect` reads it from a campaign's folder, `html` renders it.
"""

from screener.report.collect import write_report

__all__ = ["write_report"]
