"""Every setting of a training run: the one source of defaults, help texts and flags.

A recipe is a function that returns a complete `TrainConfig`; flags change single fields of it.
"""

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lodisc.errors import UserError

Objective = Literal["global", "local", "both"]
MaskedSide = Literal["key", "query"]
Positives = Literal["other", "both"]
AttentionFrom = Literal["momentum", "student"]
Mask = Literal["pivotal", "random", "grid", "block", "least"]
MaskMode = Literal["drop", "zero"]
Fusion = Literal["product", "mean", "last", "rollout"]
Precision = Literal["auto", "bf16", "fp32"]
Recipe = Literal["adapt", "scratch", "paper"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to learn. Everything here is written to `config.json` of the run."""

    recipe: Recipe = "adapt"
    """adapt: few epochs from pretrained weights. scratch: many from random ones. paper: as published."""

    encoder: str = "deit_tiny_patch16_224"
    """A timm vision transformer with a [CLS] token."""
    encoder_args: dict[str, int] = field(default_factory=dict)
    """Whole numbers for the timm constructor, such as: patch_size 8 depth 4."""
    init: str = "timm"
    """Starting weights: a .safetensors file, `timm` (downloads the pretrained ones) or `none` (random)."""
    image_size: int = 0
    """Side of the square views, in pixels; 0 is the encoder's own size, at most 224."""

    epochs: float | None = None
    """How often every photograph is seen; when not given 4 times and for at least 224 steps."""
    minutes: float | None = None
    """Train for about this long instead of a number of epochs."""
    batch_size: int = 64
    """Photographs in a step, over all processes."""
    lr: float = 8e-4
    """Base learning rate, for 256 photographs in a step; scaled in proportion to the batch size."""
    weight_decay: float = 0.05
    """AdamW weight decay; none on norms, biases, [CLS] and position embedding."""
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    grad_clip: float = 30.0
    """Largest gradient norm."""

    objective: Objective = "local"
    """Contrast whole photographs (global), regions of them with whole ones (local), or both."""
    local_weight: float = 1.0
    """Weight λ of the local loss beside the global one, with --objective both."""
    masked_side: MaskedSide = "query"
    """Which side of the local task sees only a region; the paper masks the `key`."""
    positives: Positives = "both"
    """Which views a region must find: the other one, as in the paper, or its own too."""
    recolour: bool = True
    """Change the colours of a region once more, so that it can't find its own view by them."""
    attention_from: AttentionFrom = "momentum"
    """The encoder whose attention chooses the patches, with the masks pivotal and least."""
    mask: Mask = "random"
    """How the patches of a region are chosen; the paper takes the `pivotal` ones, those with the most attention."""
    keep_ratio: float = 0.75
    """Share ρ of the patches that the local task keeps."""
    mask_mode: MaskMode = "drop"
    """Masked patches are dropped from the sequence, or set to zero as in the paper's code."""
    fusion: Fusion = "product"
    """How the attention rows of the layers become one map."""
    temperature: float = 0.2
    """Temperature τ of the contrastive loss."""
    momentum: float = 0.99
    """First momentum of the key encoder; rises to 1 on a half cosine."""
    hidden_dim: int = 4096
    """Width of the projector and predictor."""
    out_dim: int = 256
    """Length of the vectors that are contrasted."""
    freeze_patch_embed: bool = False
    """Keep the patch projection at its start, which steadies training from random weights."""
    min_crop: float = 0.2
    """Smallest share of a photograph's area in a view."""

    train_split: float | None = None
    """Learn from this share of every class; a seeded split, for data without train/ and test/."""
    split_seed: int = 0
    """Fixes the division by --train-split, whatever the seed."""
    max_skipped: float = 0.05
    """Stop when more than this share of the photographs cannot be read."""
    seed: int = 0
    """Fixes the start, the order and every augmentation."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    precision: Precision = "auto"
    """auto: bf16 where the hardware computes in it, else fp32."""
    workers: int = 2
    """Processes that read photographs."""
    log_every: int = 5
    """Steps between two lines of the log."""
    checkpoint_minutes: float = 5.0
    """Minutes between two checkpoints."""

    def check(self) -> None:
        """Raise a `UserError` that names the first setting which is out of range."""
        for name, kind in get_type_hints(TrainConfig).items():
            if get_origin(kind) is Literal and getattr(self, name) not in get_args(kind):
                flag = name.replace("_", "-")
                raise UserError(
                    f"--{flag} {getattr(self, name)} is none of {', '.join(get_args(kind))}"
                )
        for name, allowed in {
            "encoder_args": all(value >= 0 for value in self.encoder_args.values()),
            "epochs": self.epochs is None or 0 < self.epochs < math.inf,
            "minutes": self.minutes is None or 0 < self.minutes < math.inf,
            "batch_size": self.batch_size >= 2,
            "image_size": self.image_size == 0 or 16 <= self.image_size <= 4096,
            "lr": 0 < self.lr < math.inf,
            "weight_decay": 0 <= self.weight_decay < math.inf,
            "warmup": 0 <= self.warmup < 1,
            "grad_clip": self.grad_clip > 0,
            "local_weight": 0 <= self.local_weight < math.inf,
            "keep_ratio": 0 < self.keep_ratio <= 1,
            "temperature": 0 < self.temperature < math.inf,
            "momentum": 0 <= self.momentum <= 1,
            "hidden_dim": self.hidden_dim > 0,
            "out_dim": self.out_dim > 0,
            "min_crop": 0 < self.min_crop <= 1,
            "train_split": self.train_split is None or 0 < self.train_split < 1,
            "max_skipped": 0 <= self.max_skipped <= 1,
            "seed": 0 <= self.seed < 2**32,
            "split_seed": 0 <= self.split_seed < 2**32,
            "workers": self.workers >= 0,
            "log_every": self.log_every >= 1,
            "checkpoint_minutes": self.checkpoint_minutes > 0,
        }.items():
            if not allowed:
                raise UserError(
                    f"{as_flag(name, getattr(self, name))} is out of range; `lodisc train --help` says what it means"
                )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


# What may differ between the first call and one that resumes, without changing the result.
FREE_TO_CHANGE = frozenset(
    {"workers", "log_every", "checkpoint_minutes", "device", "max_skipped", "minutes"}
)

# What the local task alone depends on: no part of a run with the objective global.
LOCAL_SETTINGS = frozenset(
    {
        "local_weight",
        "masked_side",
        "positives",
        "recolour",
        "attention_from",
        "mask",
        "keep_ratio",
        "mask_mode",
        "fusion",
    }
)


def adapt(**changes: Any) -> TrainConfig:
    """Few epochs and a small learning rate from pretrained weights: the default."""
    return replace(TrainConfig(recipe="adapt"), **changes)


def scratch(**changes: Any) -> TrainConfig:
    """Many epochs from random weights by both branches, with the patch projection frozen."""
    base = TrainConfig(
        recipe="scratch",
        init="none",
        image_size=128,
        epochs=100,
        lr=1.5e-3,
        weight_decay=0.1,
        objective="both",
        recolour=False,
        mask="pivotal",
        keep_ratio=0.25,
        freeze_patch_embed=True,
    )
    return replace(base, **changes)


def paper(**changes: Any) -> TrainConfig:
    """The published settings: ViT-B/16 at 224 pixels from supervised ImageNet-1k weights, 100 epochs."""
    base = TrainConfig(
        recipe="paper",
        encoder="vit_base_patch16_224.augreg_in1k",
        image_size=224,
        epochs=100,
        batch_size=32,
        lr=1e-3,
        weight_decay=0.5,
        warmup=0.1,
        objective="both",
        masked_side="key",
        positives="other",
        recolour=False,
        mask="pivotal",
        keep_ratio=0.3,
        mask_mode="zero",
        min_crop=0.08,
    )
    return replace(base, **changes)


RECIPES = {"adapt": adapt, "scratch": scratch, "paper": paper}


def as_flag(name: str, value: object) -> str:
    """A setting as the command line takes it."""
    flag = name.replace("_", "-")
    if isinstance(value, dict):
        value = " ".join(f"{key} {number}" for key, number in value.items())
    return (
        f"--{flag}"
        if value is True
        else f"--no-{flag}"
        if value is False
        else f"--{flag} {value}".rstrip()
    )
