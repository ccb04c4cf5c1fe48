"""Where the encoder looks as training goes on, on data with masks of the object and of its discriminative part: the finches."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import BASELINE, FOCUS, RECOGNITION, Arms, Study

SHORTER = {"a quarter": 0.25, "half": 0.5}


def arms(base: TrainConfig) -> Arms:
    assert base.epochs is not None
    shorter = {
        f"{objective}, {name}": replace(base, objective=objective, epochs=base.epochs * share)
        for name, share in SHORTER.items()
        for objective in ("global", "both")
    }
    return {**shorter, "both": replace(base, objective="both")}


def against(arm: str) -> str | None:
    return arm.replace("both", BASELINE) if arm.startswith("both") else None


FIGURES = FOCUS | {"rank1": RECOGNITION["rank1"], "linear": RECOGNITION["linear"]}
STUDY = Study(question="Does the model look at what differs?", arms=arms, figures=FIGURES, against=against)
