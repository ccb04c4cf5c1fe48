"""Global only, local only, and both with several weights λ of the local loss."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import RECOGNITION, Arms, Study


def arms(base: TrainConfig) -> Arms:
    both = replace(base, objective="both")
    weights = {f"both, λ {factor * base.local_weight:.2g}": replace(both, local_weight=factor * base.local_weight) for factor in (1 / 3, 3)}
    return {"local": replace(base, objective="local"), "both": both, **weights}


STUDY = Study(question="Do the branches complement each other?", arms=arms, figures=RECOGNITION)
