"""Measure frozen features: linear probe, neighbours, retrieval, clustering, few labels, each with its interval."""

from lodisc.evaluation.benchmark import DEFAULT_PROTOCOLS, PROTOCOLS, evaluate, measure, print_table
from lodisc.evaluation.features import Arm, Features, Pixels, extract
from lodisc.evaluation.interval import Estimate

__all__ = ["DEFAULT_PROTOCOLS", "PROTOCOLS", "Arm", "Estimate", "Features", "Pixels", "evaluate", "extract", "measure", "print_table"]
