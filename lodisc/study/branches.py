"""Global only, local only, and both with several weights λ of the local loss."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import RECOGNITION, Arms, Study


def arms(base: TrainConfig) -> Arms:
    weights = {f"both, λ {weight:g}": replace(base, objective="both", local_weight=weight) for weight in (0.3, 1.0, 3.0)}
    return {"local": replace(base, objective="local"), **weights}


STUDY = Study(question="Do the branches complement each other?", arms=arms, figures=RECOGNITION)
