"""The given start, a self-supervised one where its weights are to be had, and random weights."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import RECOGNITION, Arms, Study

SELF_SUPERVISED = "vit_small_patch16_224.dino"


def arms(base: TrainConfig) -> Arms:
    starts = {
        "given": base,
        "self-supervised": replace(base, encoder=SELF_SUPERVISED, encoder_args={}, init="timm"),
        "random": replace(base, init="none"),
    }
    return {
        f"{start}, {objective}": replace(config, objective=objective)
        for start, config in starts.items()
        for objective in ("global", "both")
        if (start, objective) != ("given", "global")  # the baseline
    }


STUDY = Study(question="What does the start decide?", arms=arms, figures=RECOGNITION)
