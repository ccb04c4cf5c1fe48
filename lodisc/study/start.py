"""The given start, a self-supervised one where its weights are to be had, and random weights."""

from dataclasses import replace

from lodisc.config import TrainConfig
from lodisc.study.design import BASELINE, RECOGNITION, Arms, Study, with_regions

SELF_SUPERVISED, PATCH = "vit_small_patch16_224.dino", 16


def arms(base: TrainConfig) -> Arms:
    regions = with_regions(base)
    nearest_size = PATCH * max(1, round(base.image_size / PATCH))
    self_supervised = replace(base, encoder=SELF_SUPERVISED, encoder_args={}, image_size=nearest_size, init="timm")
    return {
        regions.objective: regions,
        "global, self-supervised": replace(self_supervised, objective="global"),
        f"{regions.objective}, self-supervised": replace(self_supervised, objective=regions.objective),
        "global, random": replace(base, init="none", objective="global"),
        f"{regions.objective}, random": replace(regions, init="none"),
    }


def against(arm: str) -> str | None:
    objective, comma, start = arm.partition(", ")
    return None if objective == BASELINE else BASELINE + comma + start


STUDY = Study(question="What does the start decide?", arms=arms, figures=RECOGNITION, against=against)
