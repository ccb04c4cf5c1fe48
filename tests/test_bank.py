"""A step against a bank of all photographs: its losses against the formula, and what it changes.

Axes: V = 2 views, B photographs, N photographs in the bank, D vector, P patches.
"""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from lodisc.encoders import build_encoder
from lodisc.method.bank import KEPT, BankLoDisc
from lodisc.method.encoder import Encoder
from lodisc.method.lodisc import Step
from lodisc.method.masking import FUSIONS, choose_patches
from lodisc.method.neighbours import Neighbourhood, mine
from lodisc.method.regions import Regions

ARGS = {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 8}
PHOTOS = torch.tensor([7, 2, 0, 11, 5])
OTHERS = torch.tensor([3, 2, 9, 0, 8, 1, 11, 6])
SETTINGS: dict[str, Any] = {
    "objective": "both",
    "local_weight": 0.5,
    "attention_from": "momentum",
    "mask": "pivotal",
    "keep_ratio": 0.3,
    "mode": "drop",
    "fusion": "product",
    "temperature": 0.1,
}


def tiny_encoder() -> Encoder:
    torch.manual_seed(0)
    return build_encoder("vit_tiny_patch16_224", image_size=32, args=ARGS)


def neighbourhood() -> Neighbourhood:
    """Of twelve photographs, of which some name each other and two are spared."""
    features_ND = torch.randn(12, 32, generator=torch.Generator().manual_seed(1)) + 1
    return mine(features_ND, neighbours=3, spared=0.15)


def tiny(**changes: Any) -> BankLoDisc:
    """A bank whose student has learnt something that its momentum encoder has not."""
    settings = {**SETTINGS, **changes}
    regions = Regions(
        **{name: settings.pop(name) for name in ("mask", "keep_ratio", "fusion", "mode")}
    )
    model = BankLoDisc(tiny_encoder(), neighbourhood=neighbourhood(), regions=regions, **settings)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model


def views() -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (2, 5, 3, 32, 32), generator=generator, dtype=torch.uint8)


def noise() -> torch.Tensor:
    return torch.rand(2, 5, 16, generator=torch.Generator().manual_seed(4))


def step(model: BankLoDisc, images: torch.Tensor | None = None) -> Step:
    images = views() if images is None else images
    return model(images, noise_VBP=noise(), photos_B=PHOTOS, others_M=OTHERS)


def plain_loss(model: BankLoDisc, queries_BD: torch.Tensor) -> torch.Tensor:
    """The mean over queries of the mean over their neighbours, by plain loops."""
    found, bank_ND = model.neighbourhood, model.bank_ND
    means = []
    for photo, query in zip(PHOTOS.tolist(), queries_BD, strict=True):
        mutual = [j for j in found.mutual_NK[photo].tolist() if j >= 0]
        by_likeness = sorted(
            (j for j in range(12) if j != photo),
            key=lambda j: -float(found.smooth_ND[photo] @ found.smooth_ND[j]),
        )
        excepted = {photo, *mutual, *by_likeness[:2]}
        against = [
            torch.exp(query @ bank_ND[j] / 0.1) for j in OTHERS.tolist() if j not in excepted
        ]
        matches = [torch.exp(query @ bank_ND[j] / 0.1) for j in (photo, *mutual)]
        terms = [-torch.log(match / (match + sum(against))) for match in matches]
        means.append(torch.stack(terms).mean())
    return torch.stack(means).mean()


@torch.no_grad()
def region_queries(model: BankLoDisc, images: torch.Tensor, *, mask: str) -> list[torch.Tensor]:
    """The queries of the regions of each view."""
    queries = []
    for view, x in enumerate(views()):
        source = model.encoder if model.attention_from == "student" else model.momentum_encoder
        keep_BK = choose_patches(
            FUSIONS["product"].score(source.forward_with_attention(x)[1]),
            mask=mask,
            keep_ratio=0.3,
            grid=(4, 4),
            noise_BP=noise()[view],
        )
        queries.append(F.normalize(model.encoder(images[view], keep_BK=keep_BK), dim=1))
    return queries


@pytest.mark.parametrize("attention", ["momentum", "student"])
@pytest.mark.parametrize("mask", ["pivotal", "random", "least"])
def test_losses_equal_the_formula_written_view_by_view(mask: str, attention: str) -> None:
    model = tiny(mask=mask, attention_from=attention)
    with torch.no_grad():
        whole = [F.normalize(model.encoder(x), dim=1) for x in views()]
        local = region_queries(model, views(), mask=mask)
        loss_global, loss_local = (
            (plain_loss(model, first) + plain_loss(model, second)) / 2
            for first, second in (whole, local)
        )
    result = step(model)
    torch.testing.assert_close(result.loss_global, loss_global, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(result.loss_local, loss_local, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        result.loss.detach(), loss_global + 0.5 * loss_local, rtol=1e-4, atol=1e-5
    )


def test_pivotal_regions_follow_the_attention_of_the_momentum_encoder() -> None:
    """Its attention and the student's choose other patches, so that the losses differ."""
    momentum, student = (
        step(tiny(objective="local", attention_from=name)).loss for name in ("momentum", "student")
    )
    assert not torch.allclose(momentum, student)
    chance = [
        step(tiny(objective="local", mask="random", attention_from=name)).loss
        for name in ("momentum", "student")
    ]
    assert torch.equal(*chance)


def test_regions_are_cut_from_the_recoloured_views_where_attention_to_the_views_says() -> None:
    model, recoloured = tiny(objective="local"), 255 - views()
    queries = region_queries(model, recoloured, mask="pivotal")
    expected = sum(plain_loss(model, query) for query in queries) / 2
    result = step(model, torch.cat([views(), recoloured]))
    torch.testing.assert_close(result.loss_local, expected, rtol=1e-4, atol=1e-5)


def test_global_and_local_alone() -> None:
    both, only_global, only_local = (
        step(tiny(objective=name)) for name in ("both", "global", "local")
    )
    torch.testing.assert_close(only_global.loss, both.loss_global)
    torch.testing.assert_close(only_local.loss, both.loss_local)
    assert only_global.loss_local == 0 and only_local.loss_global == 0


PASSES: list[tuple[dict[str, Any], list[str]]] = [
    ({"objective": "global"}, ["student whole"]),
    ({"objective": "local", "mask": "random"}, ["student part"]),
    ({"objective": "local", "mask": "pivotal"}, ["momentum whole", "student part"]),
    (
        {"objective": "local", "mask": "pivotal", "attention_from": "student"},
        ["student whole", "student part"],
    ),
    ({"objective": "both", "mask": "block"}, ["student whole", "student part"]),
    ({"objective": "both", "mask": "least"}, ["student whole", "momentum whole", "student part"]),
    (
        {"objective": "both", "mask": "pivotal", "attention_from": "student"},
        ["student whole", "student part"],
    ),
]


@pytest.mark.parametrize(("settings", "expected"), PASSES)
def test_passes_of_a_step(settings: dict[str, Any], expected: list[str]) -> None:
    """Keys cost no pass; the momentum encoder runs only where its attention is needed."""
    model = tiny(**settings)
    passes: list[str] = []
    shapes = {(10, 1 + 16): "whole", (10, 1 + 5): "part"}
    for name, encoder in (("student", model.encoder), ("momentum", model.momentum_encoder)):
        encoder.trunk.blocks[0].register_forward_hook(
            lambda module, args, output, name=name: passes.append(
                f"{name} {shapes[tuple(args[0].shape[:2])]}"
            )
        )
    step(model)
    assert passes == expected


@pytest.mark.parametrize("objective", ["global", "local"])
def test_the_bank_moves_halfway_for_the_photographs_of_the_step_alone(objective: str) -> None:
    model = tiny(objective=objective)
    before_ND = model.bank_ND.clone()
    result = step(model)
    seen_BD = (result.queries_VBD[0] + result.queries_VBD[1]) / 2
    expected_ND = before_ND.clone()
    for photo, seen in zip(PHOTOS.tolist(), seen_BD, strict=True):
        moved = KEPT * before_ND[photo] + (1 - KEPT) * seen
        expected_ND[photo] = moved / moved.norm()
    torch.testing.assert_close(model.bank_ND, expected_ND)
    rest = [photo for photo in range(12) if photo not in PHOTOS.tolist()]
    assert torch.equal(model.bank_ND[rest], before_ND[rest])
    assert not torch.allclose(model.bank_ND[PHOTOS], before_ND[PHOTOS], atol=1e-2)
    assert torch.equal(model.neighbourhood.vectors_ND, before_ND), "what was mined stays"


def test_a_query_that_is_no_number_leaves_its_key_as_it_is() -> None:
    model = tiny(objective="global")
    before_ND = model.bank_ND.clone()
    images = views().float()
    images[1, 2] = float("nan")
    assert not step(model, images).loss.isfinite()
    assert model.bank_ND.isfinite().all()
    assert torch.equal(model.bank_ND[PHOTOS[2]], before_ND[PHOTOS[2]])
    assert not torch.equal(model.bank_ND[PHOTOS[1]], before_ND[PHOTOS[1]])
    assert step(model).loss.isfinite()


@pytest.mark.parametrize("objective", ["global", "local", "both"])
def test_gradients_reach_the_student_only(objective: str) -> None:
    model = tiny(objective=objective)
    step(model).loss.backward()
    assert not model.bank_ND.requires_grad
    for name, parameter in model.named_parameters():
        if name.startswith("momentum"):
            assert parameter.grad is None and not parameter.requires_grad, name
        else:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_encoder_is_centred_as_the_bank_is() -> None:
    plain, found = tiny_encoder(), neighbourhood()
    with torch.no_grad():
        expected_BD = plain(views()[0]) - found.mean_D
        settings = {name: SETTINGS[name] for name in ("objective", "local_weight", "temperature")}
        regions = Regions(mask="random", keep_ratio=0.5, fusion="product", mode="drop")
        model = BankLoDisc(
            tiny_encoder(),
            neighbourhood=found,
            regions=regions,
            attention_from="momentum",
            **settings,
        )
        for encoder in (model.encoder, model.momentum_encoder):
            torch.testing.assert_close(encoder(views()[0]), expected_BD, rtol=1e-4, atol=1e-5)


def test_momentum_is_an_average_of_before_and_student() -> None:
    model = tiny()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.update_momentum(0.75)
    for name, tensor in model.state_dict().items():
        if name.startswith("momentum_"):
            student = before[name.removeprefix("momentum_")]
            torch.testing.assert_close(tensor, 0.75 * before[name] + 0.25 * student)
        else:
            assert torch.equal(tensor, before[name]), name


def test_what_a_step_reports_is_what_it_saw() -> None:
    model = tiny(objective="local")
    keys_BD = model.bank_ND[PHOTOS].clone()
    queries = region_queries(model, views(), mask="pivotal")
    result = step(model)
    torch.testing.assert_close(result.queries_VBD, torch.stack(queries), rtol=1e-4, atol=1e-5)
    assert torch.equal(result.keys_VBD, torch.stack([keys_BD, keys_BD]))
    assert result.rows_BLP.shape == (5, 2, 5), "attention to the five patches of the first regions"
