"""One self-contained HTML file about a run."""

from lodisc.report.page import write_report

__all__ = ["write_report"]
