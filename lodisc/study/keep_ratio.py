"""The share ρ of the patches that the local task keeps."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import RECOGNITION, Arms, Study, with_regions

RATIOS = (0.1, 0.25, 0.5, 0.75, 0.9)


def arms(base: TrainConfig) -> Arms:
    return {f"ρ {ratio:g}": replace(with_regions(base), keep_ratio=ratio) for ratio in RATIOS}


STUDY = Study(question="How many patches should the local task keep?", arms=arms, figures=RECOGNITION)
