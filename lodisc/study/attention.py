"""How the attention rows of the layers become one map, and whose they are."""

from dataclasses import replace
from typing import get_args

from lodisc.config import Fusion, TrainConfig
from lodisc.study.design import RECOGNITION, Arms, Study, with_regions


def arms(base: TrainConfig) -> Arms:
    base = replace(with_regions(base), mask="pivotal", attention="momentum")
    fused = {fusion: replace(base, fusion=fusion) for fusion in get_args(Fusion)}
    return {**fused, f"{base.fusion}, student": replace(base, attention="student")}


STUDY = Study(question="Which attention should choose the patches?", arms=arms, figures=RECOGNITION)
