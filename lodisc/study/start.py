"""The given start, a self-supervised one where its weights are to be had, and random weights."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import BASELINE, RECOGNITION, Arms, Study

SELF_SUPERVISED = "vit_small_patch16_224.dino"


def arms(base: TrainConfig) -> Arms:
    self_supervised = replace(base, encoder=SELF_SUPERVISED, encoder_args={}, init="timm")
    return {
        "both": replace(base, objective="both"),
        "global, self-supervised": replace(self_supervised, objective="global"),
        "both, self-supervised": replace(self_supervised, objective="both"),
        "global, random": replace(base, init="none", objective="global"),
        "both, random": replace(base, init="none", objective="both"),
    }


def against(arm: str) -> str | None:
    objective, _, start = arm.partition(", ")
    return None if objective == "global" else f"{BASELINE}, {start}".removesuffix(", ")


STUDY = Study(question="What does the start decide?", arms=arms, figures=RECOGNITION, against=against)
