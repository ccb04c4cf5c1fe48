"""Where the encoder looks as training goes on, on data with masks of the object and of its discriminative part: the finches."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import BASELINE, FOCUS, RECOGNITION, Arms, Study, with_regions

SHORTER = {"a quarter": 0.25, "half": 0.5}


def arms(base: TrainConfig) -> Arms:
    assert base.epochs is not None
    regions = with_regions(base)
    shorter = {
        f"{config.objective}, {name}": replace(config, epochs=base.epochs * share)
        for name, share in SHORTER.items()
        for config in (replace(base, objective="global"), regions)
    }
    return {**shorter, regions.objective: regions}


def against(arm: str) -> str | None:
    objective, comma, length = arm.partition(", ")
    return None if objective == BASELINE else BASELINE + comma + length


FIGURES = FOCUS | {"rank1": RECOGNITION["rank1"], "linear": RECOGNITION["linear"]}
STUDY = Study(question="Does the model look at what differs?", arms=arms, figures=FIGURES, against=against)
