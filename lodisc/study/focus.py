"""Where the encoder looks as training goes on, on data with masks of the object and of its discriminative part: the finches."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import FOCUS, RECOGNITION, Arms, Study

LENGTHS = {"a quarter": 0.25, "half": 0.5, "whole": 1.0}


def arms(base: TrainConfig) -> Arms:
    return {
        f"{objective}, {name}": replace(base, objective=objective, epochs=base.epochs * length)
        for name, length in LENGTHS.items()
        for objective in ("global", "both")
        if base.epochs and (objective, length) != ("global", 1.0)  # the baseline
    }


STUDY = Study(
    question="Does the model look at what differs?", arms=arms, figures=FOCUS | {"rank1": RECOGNITION["rank1"], "linear": "linear"}
)
