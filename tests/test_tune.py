"""`--tune`: what learns, what stays as it was, and what is saved."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from photos import collection
from runs import BATCH, TINY, last_state, run_command
from safetensors.torch import load_file

import lodisc
from lodisc.config import TrainConfig
from lodisc.encoders import build_encoder
from lodisc.errors import UserError
from lodisc.files import read_json, write_json
from lodisc.method.encoder import Encoder
from lodisc.method.lodisc import follow
from lodisc.method.lora import SCALE, AdaptedLinear, adapt, merged, require_adaptable
from lodisc.run import Run
from lodisc.training.distributed import Processes
from lodisc.training.learner import Learner

SAVED = ("encoder", "momentum")
LINEAR = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("photos"), per_label=6)


def train(photos: Path, out: Path, **settings: Any) -> Path:
    return lodisc.train(photos, out=out, **{**TINY, "epochs": 1, **settings})


def weights(run: Path, folder: str) -> dict[str, torch.Tensor]:
    return load_file(run / folder / "model.safetensors")


def changed(run: Path, folder: str) -> set[str]:
    """The names of the weights that the start has otherwise."""
    start, end = weights(run, "start"), weights(run, folder)
    assert start.keys() == end.keys()
    return {name for name in start if not torch.equal(start[name], end[name])}


def small_encoder(*, depth: int = 2) -> Encoder:
    torch.manual_seed(0)
    args = {**TINY["encoder_args"], "depth": depth}
    return build_encoder(TINY["encoder"], image_size=32, args=args)


def adapted_encoder() -> tuple[Encoder, Encoder]:
    """A plain encoder, and the same one with adapters that have learnt something."""
    plain = small_encoder()
    adapted = deepcopy(plain)
    adapt(adapted, rank=3)
    for layer in adapted.modules():
        if isinstance(layer, AdaptedLinear):
            torch.nn.init.normal_(layer.b_OR, std=0.05)
    return plain, adapted


def images(count: int = 3) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)


@pytest.mark.parametrize("contrast", [{}, {**BATCH, "freeze_patch_embed": True}])
def test_only_the_last_blocks_and_the_last_norm_learn(
    photos: Path, tmp_path: Path, contrast: dict[str, Any]
) -> None:
    run = train(photos, tmp_path / "run", tune="last:1", **contrast)
    learnt = {name for name in weights(run, "start") if name.startswith(("blocks.1.", "norm."))}
    assert changed(run, "encoder") == learnt and changed(run, "momentum") <= learnt
    assert "blocks.1.mlp.fc2.weight" in changed(run, "momentum")
    state = last_state(run)
    moments = sum(name.startswith("optimiser.") and name.endswith("exp_avg") for name in state)
    assert moments == len(learnt) + (11 if contrast else 0)  # those of heads


def test_all_blocks_may_be_the_last(photos: Path, tmp_path: Path) -> None:
    run = train(photos, tmp_path / "run", tune="last:2")
    learnt = {name for name in weights(run, "start") if name.startswith(("blocks.", "norm."))}
    assert changed(run, "encoder") == learnt


def test_nothing_is_stored_for_a_backward_pass_through_frozen_blocks() -> None:
    def stored(depth: int, *, learning: int | None) -> int:
        encoder, sizes = small_encoder(depth=depth), []
        if learning is not None:
            encoder.freeze_all_but(learning)

        def note(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            features, _ = encoder.forward_with_attention(images())
        assert features.requires_grad
        return sum(sizes)

    assert stored(2, learning=1) == stored(4, learning=1)
    assert stored(2, learning=2) < stored(2, learning=None) < stored(4, learning=None)


@pytest.mark.parametrize("settings", [{}, {**BATCH, "objective": "both"}, {"precision": "bf16"}])
def test_adapters_are_merged_into_what_is_saved(
    photos: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    run = train(photos, tmp_path / "run", tune="lora:2", **settings)
    linear = {f"blocks.{block}.{layer}.weight" for block in (0, 1) for layer in LINEAR}
    shifted = set() if settings.get("keys") == "batch" else {"norm.bias"}
    start = weights(run, "start")
    for folder in SAVED:
        assert changed(run, folder) == linear | shifted
        timm.create_model(f"local-dir:{run / folder}", pretrained=True)
    for name in linear:
        change = (weights(run, "encoder")[name] - start[name]).double()
        values = torch.linalg.svdvals(change)
        assert values[1] > 0 and values[2:].max() < 1e-2 * values[1], "its rank is 2"
    state = last_state(run)
    qkv = {
        name: state[f"model.encoder.trunk.blocks.0.attn.qkv.{name}"] for name in ("a_RI", "b_OR")
    }
    assert torch.equal(
        weights(run, "encoder")["blocks.0.attn.qkv.weight"],
        start["blocks.0.attn.qkv.weight"] + SCALE * qkv["b_OR"] @ qkv["a_RI"],
    )


def test_an_adapter_changes_nothing_at_first() -> None:
    plain = small_encoder()
    adapted = deepcopy(plain)
    adapt(adapted, rank=3)
    assert torch.equal(plain(images := torch.rand(2, 3, 32, 32)), adapted(images))
    assert {
        name.rsplit(".", 1)[1] for name, p in adapted.named_parameters() if p.requires_grad
    } == {
        "a_RI",
        "b_OR",
    }
    assert sum(isinstance(layer, AdaptedLinear) for layer in adapted.modules()) == 2 * len(LINEAR)


def test_merged_adapters_give_the_same_features_and_attention() -> None:
    plain, adapted = adapted_encoder()
    before = {name: tensor.clone() for name, tensor in adapted.state_dict().items()}
    views, keep_BK = images(), torch.tensor([[0, 3, 7]] * 3)
    copy = merged(adapted)
    assert [type(part) for part in copy.modules()] == [type(part) for part in plain.modules()]
    for keep in (None, keep_BK):
        features, rows = adapted.forward_with_attention(views, keep_BK=keep)
        other_features, other_rows = copy.forward_with_attention(views, keep_BK=keep)
        torch.testing.assert_close(features, other_features, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(rows, other_rows, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(features, plain(views, keep_BK=keep), atol=1e-3)
    after = adapted.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "merging learns nothing"
    assert merged(plain) is plain


def test_the_momentum_encoder_is_the_moving_average_of_the_merged_weights() -> None:
    plain, adapted = adapted_encoder()
    momentum_encoder = deepcopy(plain)
    follow(momentum_encoder, adapted, 0.9)
    layers = dict(adapted.named_modules())
    for name, parameter in momentum_encoder.named_parameters():
        layer = layers[name.rsplit(".", 1)[0]]
        expected = start = plain.get_parameter(name).data
        if isinstance(layer, AdaptedLinear) and name.endswith("weight"):
            expected = 0.9 * start + 0.1 * (start + 2 * layer.b_OR @ layer.a_RI)
        torch.testing.assert_close(parameter, expected, msg=name)


def test_only_adapters_get_a_gradient() -> None:
    config = TrainConfig(**{**TINY, **BATCH, "tune": "lora:2"})
    learner = Learner(small_encoder(), config, Processes(0, 1, torch.device("cpu")))
    views = torch.stack([images(4), images(4)])
    for step in (0, 1):
        learner.step(views, step=step, steps=2)
    with_gradient = {
        name.rsplit(".", 1)[1]
        for name, parameter in learner.model.encoder.named_parameters()
        if parameter.grad is not None and parameter.grad.any()
    }
    assert with_gradient == {"a_RI", "b_OR"}
    assert not any(p.requires_grad for p in learner.model.momentum_encoder.parameters())


def test_a_run_from_when_all_was_called_encoder_goes_on_and_loads(
    photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lodisc")
    path = train(photos, tmp_path / "run") / "config.json"
    config = read_json(path)
    assert config["settings"]["tune"] == "all"
    config["settings"]["tune"] = "encoder"
    write_json(path, config)
    train(photos, tmp_path / "run")
    assert "Nothing to do" in caplog.text
    assert Run.open(tmp_path / "run").config["settings"]["tune"] == "all"
    assert lodisc.load(tmp_path / "run").dim == 32
    with pytest.raises(UserError, match="begun with --tune all, not --tune last:1"):
        train(photos, tmp_path / "run", tune="last:1")
    config["settings"]["tune"] = "last:x"
    write_json(path, config)
    with pytest.raises(UserError, match=r"damaged \(its tune is out of range\)"):
        _ = Run.open(tmp_path / "run").config


@pytest.mark.parametrize(
    ("tune", "reason"),
    [
        ("encoder", "--tune encoder is now --tune all"),
        ("last", "--tune last is not known; use all, last:N"),
        ("last:0", "--tune last:0 is not known"),
        ("last:-1", "--tune last:-1 is not known"),
        ("lora:2.5", "--tune lora:2.5 is not known"),
        ("LORA:2", "--tune LORA:2 is not known"),
        ("last:1\n", "is not known"),
        ("", "--tune  is not known"),
        ("last:9999999999", "is not known"),
        ("last:3", "--tune last:3: vit_tiny_patch16_224 has 2 blocks; use last:2 or less"),
        ("lora:33", "--tune lora:33: .* have 32 dimensions; use lora:32 or less"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_one_line(
    photos: Path, tmp_path: Path, tune: str, reason: str
) -> None:
    with pytest.raises(UserError, match=reason) as refusal:
        train(photos, tmp_path / "run", tune=tune)
    assert not (tmp_path / "run" / "config.json").exists()
    assert "\n" not in str(refusal.value).replace(tune, "")


def test_an_old_value_on_the_command_line_is_refused_with_the_new_one(tmp_path: Path) -> None:
    words = ["train", tmp_path, "--out", tmp_path / "run", "--tune", "encoder"]
    status, _, messages = run_command(*words)
    assert (status, messages.strip()) == (1, "lodisc train: --tune encoder is now --tune all")


def test_a_layer_that_is_not_called_is_not_adapted_in_silence() -> None:
    args = {"depth": 2, "embed_dim": 32, "num_heads": 2}
    eva = build_encoder("eva_giant_patch14_224", image_size=28, args=args)
    with pytest.raises(ValueError, match=r"trunk\.blocks\.0\.attn\.qkv without its layer"):
        require_adaptable(eva)
    require_adaptable(small_encoder())
