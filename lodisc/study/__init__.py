"""The questions of the paper, each answered by one command.

A study varies a setting at equal operations, with several seeds and with intervals.
"""

from lodisc.study.studies import STUDIES
from lodisc.study.study import study

__all__ = ["STUDIES", "study"]
