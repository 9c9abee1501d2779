"""`report.html`: what a run found, how far to trust it and what to try next, in one file without network."""

from articulate.report.build import judge, write_report

__all__ = ["judge", "write_report"]
