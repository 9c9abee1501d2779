"""`report.html`: what a run found, how far to trust it and what to try next, in one file without network."""

from articulate.report.build import write_report

__all__ = ["write_report"]
