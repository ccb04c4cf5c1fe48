"""Encoders between the start and a run, held to a plain loop over weights."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from photos import collection
from runs import BATCH, TINY

import lodisc
from lodisc.encoders import build_encoder, load_encoder, save_encoder
from lodisc.method.encoder import Encoder
from lodisc.method.lora import AdaptedLinear, adapt, merged
from lodisc.method.mixture import mixed


def encoder(seed: int, **args: Any) -> Encoder:
    torch.manual_seed(seed)
    args = {**TINY["encoder_args"], **args}
    made = build_encoder(TINY["encoder"], image_size=32, args=args)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval()


def mapped(plain: Encoder, seed: int) -> Encoder:
    plain = deepcopy(plain)
    plain.map_features(torch.randn(plain.dim, plain.dim, generator=torch.manual_seed(seed)))
    return plain


def same(one: Encoder, other: Encoder) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(map(torch.equal, ours.values(), theirs.values()))


IMAGES = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.manual_seed(3))


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_every_weight_is_between(share: float) -> None:
    start, run = encoder(0), encoder(1)
    copies = deepcopy(start), deepcopy(run)
    mixture = mixed(start, run, share)
    for name, parameter in mixture.named_parameters():
        a, b = start.get_parameter(name).double(), run.get_parameter(name).double()
        expected = (1 - share) * a + share * b
        torch.testing.assert_close(parameter.double(), expected, atol=1e-6, rtol=1e-5)
    assert same(start, copies[0]) and same(run, copies[1]), "the arguments stay as they are"
    if share in (0, 1):
        assert same(mixture, run if share else start)
        assert torch.equal(mixture(IMAGES), (run if share else start)(IMAGES))


def test_equal_weights_stay_equal_bit_for_bit() -> None:
    start = encoder(0)
    run = deepcopy(start)
    torch.nn.init.normal_(run.trunk.blocks[1].mlp.fc1.weight)
    for share in (0.1, 0.3, 0.7):
        mixture = mixed(start, run, share)
        assert torch.equal(
            mixture.trunk.blocks[0].attn.qkv.weight, start.trunk.blocks[0].attn.qkv.weight
        )


def test_a_map_is_mixed_with_the_identity() -> None:
    start = encoder(0)
    run = mapped(start, seed=5)
    torch.testing.assert_close(mixed(start, run, 0)(IMAGES), start(IMAGES))
    assert same(mixed(start, run, 1), run)
    half = mixed(start, run, 0.5)(IMAGES)
    torch.testing.assert_close(half, (start(IMAGES) + run(IMAGES)) / 2, atol=1e-4, rtol=1e-4)
    assert same(mixed(run, start, 0), run) and mixed(run, start, 1).is_mapped
    other = mapped(start, seed=6)
    expected = (run.trunk.head.weight + other.trunk.head.weight) / 2
    torch.testing.assert_close(mixed(run, other, 0.5).trunk.head.weight, expected)
    assert not start.is_mapped


def test_adapters_are_merged_before() -> None:
    start = encoder(0)
    run = deepcopy(start)
    adapt(run, rank=2)
    for layer in run.modules():
        if isinstance(layer, AdaptedLinear):
            torch.nn.init.normal_(layer.b_OR, std=0.1)
    assert same(mixed(start, run, 1), merged(run)) and same(mixed(start, run, 0), start)
    assert same(mixed(start, run, 0.3), mixed(start, merged(run), 0.3))


def test_weights_in_half_precision_are_mixed_in_single() -> None:
    start, run = encoder(0).bfloat16(), encoder(1).bfloat16()
    name = "trunk.blocks.0.mlp.fc1.weight"
    got = mixed(start, run, 0.3).get_parameter(name)
    a, b = (one.get_parameter(name).float() for one in (start, run))
    assert got.dtype == torch.bfloat16 and torch.equal(got, torch.lerp(a, b, 0.3).bfloat16())


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="is not from 0 to 1"):
        mixed(encoder(0), encoder(1), share)


def test_other_shapes_are_refused() -> None:
    for args in ({"depth": 3}, {"embed_dim": 64}):
        with pytest.raises(ValueError, match="encoders of other shapes"):
            mixed(encoder(0), encoder(1, **args), 0.5)


@pytest.mark.parametrize("contrast", [{}, BATCH])
def test_the_ends_of_a_run_are_its_start_and_its_encoder(
    tmp_path: Path, contrast: dict[str, Any]
) -> None:
    photos = collection(tmp_path / "photos", per_label=4)
    out = lodisc.train(photos, out=tmp_path / "run", **{**TINY, "epochs": 1, **contrast})
    start, run = load_encoder(out / "start"), load_encoder(out / "encoder")
    assert torch.equal(mixed(start, run, 0)(IMAGES), start(IMAGES))
    assert torch.equal(mixed(start, run, 1)(IMAGES), run(IMAGES))
    save_encoder(mixed(start, run, 0.5), tmp_path / "half")
    assert same(load_encoder(tmp_path / "half"), mixed(start, run, 0.5))
