"""The questions of the paper: what each study varies around a base config.

To add a study, write a function that returns its arms, and an entry in `STUDIES`.
"""

from dataclasses import replace
from typing import get_args

from lodisc.config import (
    Fusion,
    Mask,
    MaskedSide,
    Positives,
    TrainConfig,
    with_bank_keys,
    with_batch_keys,
)
from lodisc.encoders import build_encoder
from lodisc.study.design import (
    BASELINE,
    FOCUS,
    RECOGNITION,
    Arms,
    Study,
    global_only,
    with_regions,
)

RATIOS = (0.1, 0.3, 0.5, 0.75, 0.9)
SHORTER = {"a quarter": 0.25, "half": 0.5}
LAST, RANK = (1 / 3, 2 / 3), 8
SELF_SUPERVISED, PATCH = "vit_small_patch16_224.dino", 16


def branches(base: TrainConfig) -> Arms:
    """Local only, both with several weights λ of the local loss, and whole views of a bank."""
    both = replace(base, objective="both")
    weights = {
        f"both, λ {factor * base.local_weight:.2g}": replace(
            both, local_weight=factor * base.local_weight
        )
        for factor in (1 / 3, 3)
    }
    return {**whole(base), "local": replace(base, objective="local"), "both": both, **weights}


def whole(base: TrainConfig) -> Arms:
    """Whole views alone against a bank; against a batch they are global only."""
    return {"whole": replace(base, objective="global")} if base.keys == "bank" else {}


def masks(base: TrainConfig) -> Arms:
    """Every way to choose the patches of the local task, at the same ρ."""
    return {mask: replace(with_regions(base), mask=mask) for mask in get_args(Mask)}


def keep_ratio(base: TrainConfig) -> Arms:
    """The share ρ of the patches that the local task keeps."""
    return {f"ρ {ratio:g}": replace(with_regions(base), keep_ratio=ratio) for ratio in RATIOS}


def attention(base: TrainConfig) -> Arms:
    """How the attention rows of the layers are fused, and which encoder they come from."""
    base = replace(with_regions(base), mask="pivotal", attention_from="momentum")
    by_fusion = {fusion: replace(base, fusion=fusion) for fusion in get_args(Fusion)}
    return {**by_fusion, f"{base.fusion}, student": replace(base, attention_from="student")}


def masked_side(base: TrainConfig) -> Arms:
    """Which side of the local task is masked, and which views of a batch a region must find."""
    base = with_batch_keys(with_regions(base))
    return {
        f"masked {side}, {'both views' if positives == 'both' else 'other view'}": replace(
            base, masked_side=side, positives=positives
        )
        for side in get_args(MaskedSide)
        for positives in get_args(Positives)
    }


def focus(base: TrainConfig) -> Arms:
    """Where the encoder looks in the course of the training.

    Needs masks of the object and its discriminative part, as the finches have.
    """
    assert base.epochs is not None
    regions = with_regions(base)
    shorter = {
        f"{config.objective}, {name}": replace(config, epochs=base.epochs * share)
        for name, share in SHORTER.items()
        for config in (global_only(base), regions)
    }
    return {**shorter, **whole(base), regions.objective: regions}


def start(base: TrainConfig) -> Arms:
    """The given start, a self-supervised one if its weights can be downloaded, and a random one."""
    regions = with_regions(base)
    nearest_size = PATCH * max(1, round(base.image_size / PATCH))
    self_supervised = replace(
        base, encoder=SELF_SUPERVISED, encoder_args={}, image_size=nearest_size, init="timm"
    )
    return {
        **whole(base),
        regions.objective: regions,
        "global, self-supervised": global_only(self_supervised),
        f"{regions.objective}, self-supervised": replace(
            self_supervised, objective=regions.objective
        ),
        "global, random": replace(global_only(base), init="none"),
        f"{regions.objective}, random": replace(regions, init="none"),
    }


def variants(base: TrainConfig) -> Arms:
    """The recipe, both branches, both of them against a batch, and the paper's task."""
    regions = with_regions(base)
    batch = with_batch_keys(regions)
    paper = replace(
        batch,
        objective="both",
        masked_side="key",
        positives="other",
        recolour=False,
        mask="pivotal",
        keep_ratio=0.3,
        mask_mode="zero",
    )
    both = {"both": regions} if regions != base else {}
    against_batch = {"against a batch": batch} if base.keys == "bank" else {}
    return {"recipe": base, **both, **against_batch, "paper": paper}


def neighbours(base: TrainConfig) -> Arms:
    """How many neighbours match, down to none but the photograph itself, and what is spared."""
    base = with_bank_keys(base)
    counts = {f"{count} nearest": replace(base, neighbours=count) for count in (5, 10, 20)}
    nothing_spared = replace(base, neighbours=10, spared=0.0)
    return {"none": replace(base, neighbours=0), **counts, "10, nothing spared": nothing_spared}


def tune(base: TrainConfig) -> Arms:
    """All weights, a third and two thirds of the blocks, adapters, and beside a bank a map."""
    encoder = build_encoder(base.encoder, image_size=base.image_size, args=base.encoder_args)
    depth = len(encoder.trunk.blocks)
    blocks = [f"last:{count}" for share in LAST if 0 < (count := round(share * depth)) < depth]
    arms = {value: replace(base, tune=value) for value in ("all", *blocks, f"lora:{RANK}")}
    if base.keys == "bank":
        arms["map"] = replace(base, tune="map", objective="global", epochs=None)
    return arms


def against_its_own(arm: str) -> str | None:
    """The arm of global only with the same words after the comma: the same length or start."""
    objective, comma, words = arm.partition(", ")
    return None if objective == BASELINE else BASELINE + comma + words


STUDIES: dict[str, Study] = {
    "branches": Study(
        question="Do the branches complement each other?", arms=branches, metrics=RECOGNITION
    ),
    "masks": Study(
        question="Does attention choose the patches better than chance?",
        arms=masks,
        metrics=RECOGNITION,
        rival="random",
    ),
    "keep-ratio": Study(
        question="How many patches should the local task keep?",
        arms=keep_ratio,
        metrics=RECOGNITION,
    ),
    "attention": Study(
        question="Which attention should choose the patches?", arms=attention, metrics=RECOGNITION
    ),
    "masked-side": Study(
        question="Should the key be masked, as in the paper, or the query, and what must it find?",
        arms=masked_side,
        metrics=RECOGNITION,
    ),
    "focus": Study(
        question="Does the model look at what differs?",
        arms=focus,
        against=against_its_own,
        metrics=FOCUS | {"rank1": RECOGNITION["rank1"], "linear": RECOGNITION["linear"]},
    ),
    "start": Study(
        question="What does the start decide?",
        arms=start,
        metrics=RECOGNITION,
        against=against_its_own,
    ),
    "neighbours": Study(
        question="What do neighbours add, and what is spared?",
        arms=neighbours,
        metrics=RECOGNITION,
        keys="bank",
    ),
    "variants": Study(
        question="What do the recipe and the paper's variant gain?",
        arms=variants,
        metrics=RECOGNITION,
    ),
    "tune": Study(
        question="How much of the encoder should learn?",
        arms=tune,
        metrics=RECOGNITION,
        remark="A map has its own number of steps, which cost less by far.",
    ),
}
