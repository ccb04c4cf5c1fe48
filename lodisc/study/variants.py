"""The recipe as it is, and the paper's variant of the task: both branches, the key masked to its pivotal patches."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import RECOGNITION, Arms, Study


def arms(base: TrainConfig) -> Arms:
    paper = replace(
        base, objective="both", direction="key", positives="other", recolour=False, mask="pivotal", keep_ratio=0.3, mask_mode="zero"
    )
    return {"recipe": base, "paper": paper}


STUDY = Study(question="What do the recipe and the paper's variant gain?", arms=arms, figures=RECOGNITION)
