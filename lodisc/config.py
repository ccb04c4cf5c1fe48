"""Every setting of a training run: the one source of defaults, ranges, help texts and flags.

A setting is one row in one of the groups. `TrainConfig` is all groups, flat. A recipe is a function
that returns a complete `TrainConfig`; flags change single fields of it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from lodisc.errors import UserError
from lodisc.tuning import is_tuning, tuning

Objective = Literal["global", "local", "both"]
MaskedSide = Literal["key", "query"]
Positives = Literal["other", "both"]
AttentionFrom = Literal["momentum", "student"]
Mask = Literal["pivotal", "random", "grid", "block", "least"]
MaskMode = Literal["drop", "zero"]
Fusion = Literal["product", "mean", "last", "rollout"]
Precision = Literal["auto", "bf16", "fp32"]
Fit = Literal["crop", "pad", "squeeze", "tiles"]
DEFAULT_FIT: Fit = "tiles"
Keys = Literal["auto", "batch", "bank"]
SettledKeys = Literal["batch", "bank"]
Recipe = Literal["adapt", "map", "batch", "scratch", "paper"]
Keep = Literal["best", "last"]


def setting(
    default: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    local: bool = False,
    keys: str | None = None,
    free: bool = False,
    before: Any = MISSING,
    was: str | None = None,
) -> Any:
    """A field of `TrainConfig`: its default, its range, and how old and resumed runs treat it.

    `above`, `least`, `below`, `most`: its range; the default is in range too. `local`: a run with
    the objective global does not depend on it. `keys`: only runs with such keys depend on it.
    `free`: a resumed run may have another value. `before`: what versions without the setting did.
    `was`: its name in older versions.
    """
    metadata = {
        "range": {"above": above, "at least": least, "below": below, "at most": most},
        "local": local,
        "keys": keys,
        "free": free,
        "before": before,
        "was": was,
    }
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Start:
    """Recipe, encoder and starting weights."""

    recipe: Recipe = setting("adapt")
    """adapt: few epochs; map: seconds; batch: no neighbours; scratch: random weights; paper."""
    encoder: str = setting("deit_tiny_patch16_224")
    """A timm vision transformer with a [CLS] token."""
    encoder_args: dict[str, int] = setting({}, least=0)
    """Whole numbers for the timm constructor, such as: patch_size 8 depth 4."""
    init: str = setting("timm")
    """Starting weights: `timm` (downloads), `none` (random) or a .safetensors file."""
    image_size: int = setting(0, least=16, most=4096)
    """Side of the square views, in pixels; 0 is the encoder's own size, at most 224."""


@dataclass(frozen=True, kw_only=True)
class Length:
    """How long to learn, and in what steps."""

    epochs: float | None = setting(None, above=0, below=math.inf)
    """How often every photograph is seen; by default three times and for at least 180 steps, with
    --keys batch four times and at least 224."""
    minutes: float | None = setting(None, above=0, below=math.inf, free=True)
    """Train for about this long instead of a number of epochs."""
    batch_size: int = setting(64, least=2)
    """Photographs in a step, over all processes."""
    lr: float = setting(8e-4, above=0, below=math.inf)
    """Base learning rate, for 256 photographs in a step; scaled in proportion to the batch size."""
    weight_decay: float = setting(0.05, least=0, below=math.inf)
    """AdamW weight decay; none on norms, biases, [CLS] and position embedding."""
    warmup: float = setting(0.1, least=0, below=1)
    """Share of the steps in which the learning rate rises from 0."""
    head_warmup: float = setting(0.0, least=0, below=1, keys="batch", before=0.0)
    """Share of the steps in which only the heads of --keys batch learn, before the encoder does."""
    grad_clip: float = setting(30.0, above=0)
    """Largest gradient norm."""
    seed: int = setting(0, least=0, below=2**32)
    """Fixes the start, the order and every augmentation."""
    keep: Keep = setting("last", before="last", free=True)
    """last: the encoder after the last step; best: where it scored best without labels, or the
    start or a mixture with it if that scores better; training then ends early if it falls."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is asked of the encoder."""

    tune: str = setting("all", before="all")
    """What learns: all weights; last:N, the last N blocks; lora:R, low-rank adapters of rank R; or
    map, a linear map of frozen features, which takes seconds."""
    objective: Objective = setting("global")
    """Contrast whole photographs (global), regions of them with whole ones (local), or both; the
    settings of regions, such as --mask, need local or both."""
    mask: Mask = setting("pivotal", local=True)
    """Which patches a region keeps; `pivotal` are those with the most attention."""
    keep_ratio: float = setting(0.3, above=0, most=1, local=True)
    """Share ρ of the patches that the local task keeps."""
    keys: Keys = setting("auto", before="batch")
    """Contrast a bank of all photographs, where neighbours match, or the paper's batch; auto: a
    bank where neighbours agree enough, else --recipe batch for all that is left at its default."""
    neighbours: int = setting(10, least=0, keys="bank", before=10)
    """How many nearest photographs must name each other to match; for --keys bank."""
    spared: float | None = setting(None, least=0, below=1, keys="bank", before=None)
    """Share of the most alike that are not negatives; found without labels by default. With a share
    given, neighbours are trusted as they are."""
    min_crop: float = setting(0.2, above=0, most=1)
    """Smallest share of a photograph's area in a view."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which photographs to learn from."""

    train_split: float | None = setting(None, above=0, below=1)
    """Learn from this share of every class; a seeded split, for data without train/ and test/."""
    split_seed: int = setting(0, least=0, below=2**32)
    """Fixes the division by --train-split, whatever the seed."""
    fit: Fit = setting(DEFAULT_FIT, before="crop")
    """How a whole photograph becomes a square: crop its middle, pad or squeeze it, or, if it is
    longer than 3 to 2, average over tiles along its long side."""
    max_skipped: float = setting(0.05, least=0, most=1, free=True)
    """Stop when more than this share of the photographs cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where to compute, and how often to write."""

    device: str = setting("auto", free=True)
    """auto, cpu, cuda or cuda:N."""
    precision: Precision = setting("auto")
    """auto: bf16 where the hardware computes in it, else fp32."""
    workers: int = setting(2, least=0, most=1024, free=True)
    """Processes that read photographs."""
    log_every: int = setting(5, least=1, free=True)
    """Steps between two lines of the log."""
    checkpoint_minutes: float = setting(5.0, above=0, free=True)
    """Minutes between two checkpoints."""


@dataclass(frozen=True, kw_only=True)
class Research:
    """The paper's other choices, each one arm of a study."""

    masked_side: MaskedSide = setting("query", local=True, keys="batch", was="direction")
    """Which side of the local task sees only a region; the paper masks the `key`."""
    positives: Positives = setting("both", local=True, keys="batch", before="other")
    """Which views a region must match: the other one, as in the paper, or its own too."""
    recolour: bool = setting(False, local=True, before=False)
    """Change the colours of a region once more, so that they do not give its own view away."""
    local_weight: float = setting(1.0, least=0, below=math.inf, local=True)
    """Weight λ of the local loss beside the global one, with --objective both."""
    attention_from: AttentionFrom = setting(
        "momentum", local=True, before="momentum", was="attention"
    )
    """The encoder whose attention the masks pivotal and least follow."""
    mask_mode: MaskMode = setting("drop", local=True)
    """Masked patches are dropped from the sequence, or set to zero as in the paper's code."""
    fusion: Fusion = setting("product", local=True)
    """How the attention rows of the layers become one map."""
    temperature: float = setting(0.1, above=0, below=math.inf)
    """Temperature τ of the contrastive loss."""
    momentum: float = setting(0.99, least=0, most=1)
    """First momentum of the key encoder; rises to 1 on a half cosine."""
    hidden_dim: int = setting(4096, least=1, keys="batch")
    """Width of the projector and predictor."""
    out_dim: int = setting(256, least=1, keys="batch")
    """Length of the vectors that are contrasted."""
    freeze_patch_embed: bool = setting(False)
    """Keep the patch projection at its start, which steadies training from random weights."""


GROUPS: tuple[type, ...] = (Start, Length, Task, Data, Machine, Research)
"""The groups of settings, in the order of `lodisc train --help`."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Research, Machine, Data, Task, Length, Start):
    """Every setting of a run, in one flat object; `config.json` of the run holds them all.

    Raises `UserError` for a value that is out of range.
    """

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raise a `UserError` that names the first setting which is out of range."""
        for name, old, new in OLD_VALUES:
            if getattr(self, name) == old:
                raise UserError(f"{as_flag(name, old)} is now {as_flag(name, new)}")
        tuning(self.tune)
        kinds = get_type_hints(TrainConfig)
        for row in fields(self):
            value, flag = getattr(self, row.name), row.name.replace("_", "-")
            choices = get_args(kinds[row.name])
            if get_origin(kinds[row.name]) is Literal and value not in choices:
                raise UserError(f"--{flag} {value} is none of {', '.join(choices)}")
            if not _is_allowed(value, row):
                raise UserError(
                    f"{as_flag(row.name, value)} is out of range; use {_range_in_words(row)}"
                )

        if self.tune == "map" and (self.keys == "batch" or self.epochs or self.minutes):
            raise UserError(
                "--tune map learns from the neighbours in a bank, in a fixed number of steps; "
                "leave --keys batch, --epochs and --minutes out"
            )
        if self.keys != "batch" and self.masked_side == "key":
            raise UserError("--masked-side key needs --keys batch: a bank has no views to mask")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def first_out_of_range(settings: Mapping[str, Any]) -> str | None:
    """The name of the first of these settings that is out of range, if any.

    Those that are free to change say nothing of a result, and may be of a larger machine.
    """
    names = settings.keys() - FREE_TO_CHANGE
    rows = [row for row in fields(TrainConfig) if row.name in names]
    if not is_tuning(settings.get("tune", "all")):
        return "tune"
    return next((row.name for row in rows if not _is_allowed(settings[row.name], row)), None)


def _is_allowed(value: Any, row: Field[Any]) -> bool:
    numbers = value.values() if isinstance(value, dict) else [value]
    return value == row.default or all(_in_range(number, row) for number in numbers)


def _in_range(number: Any, row: Field[Any]) -> bool:
    limits = row.metadata["range"]
    return (
        (limits["above"] is None or number > limits["above"])
        and (limits["at least"] is None or number >= limits["at least"])
        and (limits["below"] is None or number < limits["below"])
        and (limits["at most"] is None or number <= limits["at most"])
    )


def _range_in_words(row: Field[Any]) -> str:
    limits = row.metadata["range"]
    return "a number " + " and ".join(
        "finite" if limit == math.inf else f"{words} {limit}"
        for words, limit in limits.items()
        if limit is not None
    )


def _settings_with(key: str, value: object = True) -> frozenset[str]:
    return frozenset(row.name for row in fields(TrainConfig) if row.metadata[key] == value)


FREE_TO_CHANGE = _settings_with("free")
"""Settings that may differ when a run is resumed, without changing its result."""
LOCAL_SETTINGS = _settings_with("local")
"""Settings of the local task alone: a run with the objective global does not depend on them."""
BATCH_SETTINGS = _settings_with("keys", "batch")
"""Settings on which only runs with the keys of a batch depend."""
BANK_SETTINGS = _settings_with("keys", "bank")
"""Settings on which only runs with a bank of keys depend."""
OLD_NAMES: dict[str, str] = {
    row.metadata["was"]: row.name for row in fields(TrainConfig) if row.metadata["was"]
}
"""The settings that older versions called by another name."""
OLD_VALUES: tuple[tuple[str, str, str], ...] = (("tune", "encoder", "all"),)
"""A setting, what older versions called one of its values, and what it is called now."""


def require_new_names(names: Iterable[str]) -> None:
    """Raise a `UserError` with the new name if one of `names` is the old name of a setting."""
    for name in names:
        if name in OLD_NAMES:
            old, new = (text.replace("_", "-") for text in (name, OLD_NAMES[name]))
            raise UserError(f"--{old} is now --{new}")


def adapt(**changes: Any) -> TrainConfig:
    """Few epochs and a small learning rate from pretrained weights: the default."""
    return _changed(TrainConfig(recipe="adapt"), changes)


def tune_map(**changes: Any) -> TrainConfig:
    """A linear map of the frozen features of pretrained weights, learnt in seconds."""
    return _changed(TrainConfig(recipe="map", tune="map"), changes)


def with_batch_keys(config: TrainConfig) -> TrainConfig:
    """The config with the paper's contrast; regions in other colours, so that these do not tell.

    One that has this contrast already comes back as it is.
    """
    if config.keys == "batch":
        return config
    return replace(config, keys="batch", temperature=0.2, recolour=True)


def with_bank_keys(config: TrainConfig) -> TrainConfig:
    """The config with the contrast of a bank; one that has it already comes back as it is."""
    if config.keys != "batch":
        return config
    usual = TrainConfig()
    return replace(
        config,
        keys="bank",
        masked_side="query",
        temperature=usual.temperature,
        recolour=usual.recolour,
    )


def batch(**changes: Any) -> TrainConfig:
    """Three quarters of the patches at random, against a batch: it does without neighbours."""
    base = TrainConfig(recipe="batch", objective="local", mask="random", keep_ratio=0.75)
    return _changed(with_batch_keys(base), changes)


def settled(config: TrainConfig, *, keys: SettledKeys) -> TrainConfig:
    """The config with `keys` in the place of auto.

    With those of a batch, what was left as `adapt` has it becomes what `batch` has. A map needs a
    bank.
    """
    if config.keys != "auto":
        return config
    if keys == "bank" or config.tune == "map":
        return replace(config, keys="bank")
    left, becomes = adapt().to_dict(), batch().to_dict()
    changes = {
        name: value
        for name, value in becomes.items()
        if getattr(config, name) == left[name] and name != "recipe"
    }
    return replace(config, **changes)


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
        keys="batch",
        temperature=0.2,
        mask="pivotal",
        keep_ratio=0.25,
        freeze_patch_embed=True,
    )
    return _changed(base, changes)


def paper(**changes: Any) -> TrainConfig:
    """As published: ViT-B/16 at 224 pixels from supervised ImageNet-1k weights, 100 epochs."""
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
        keys="batch",
        temperature=0.2,
        masked_side="key",
        positives="other",
        mask="pivotal",
        keep_ratio=0.3,
        mask_mode="zero",
        min_crop=0.08,
    )
    return _changed(base, changes)


def _changed(base: TrainConfig, changes: dict[str, Any]) -> TrainConfig:
    require_new_names(changes)
    return replace(base, **changes)


RECIPES = {"adapt": adapt, "map": tune_map, "batch": batch, "scratch": scratch, "paper": paper}


def as_flag(name: str, value: object) -> str:
    """A setting as the command line takes it."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{flag}" if value else f"--no-{flag}"
    if isinstance(value, dict):
        value = " ".join(f"{key} {number}" for key, number in value.items())
    return f"--{flag} {value}".rstrip()
