"""Every way to choose the patches of the local task, at the same ρ."""

from dataclasses import replace
from typing import get_args

from lodisc.config import Mask, TrainConfig
from lodisc.study.design import RECOGNITION, Arms, Study, with_regions


def arms(base: TrainConfig) -> Arms:
    return {mask: replace(with_regions(base), mask=mask) for mask in get_args(Mask)}


STUDY = Study(question="Does attention choose the patches better than chance?", arms=arms, figures=RECOGNITION, rival="random")
