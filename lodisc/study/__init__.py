"""The paper's questions, each measured by one command: what is varied, with seeds, intervals and equal compute."""

from lodisc.study.studies import STUDIES
from lodisc.study.study import study

__all__ = ["STUDIES", "study"]
