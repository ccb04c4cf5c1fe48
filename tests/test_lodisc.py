"""One step of the method: its losses against the formula, who learns, and a golden step."""

from itertools import product
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import lodisc.method.lodisc
from lodisc.config import TrainConfig, paper
from lodisc.encoders import build_encoder
from lodisc.method.lodisc import LoDisc
from lodisc.method.masking import FUSIONS, choose_patches
from lodisc.method.regions import Regions

TINY = {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 8}
AS_PUBLISHED: dict[str, Any] = {
    "objective": "both",
    "local_weight": 1.0,
    "masked_side": "key",
    "positives": "other",
    "attention_from": "momentum",
    "mask": "pivotal",
    "keep_ratio": 0.3,
    "mode": "drop",
    "fusion": "product",
    "temperature": 0.2,
}


def tiny(**settings) -> LoDisc:
    torch.manual_seed(0)
    encoder = build_encoder("vit_tiny_patch16_224", image_size=32, args=TINY)
    settings = {**AS_PUBLISHED, **settings}
    regions = Regions(
        **{name: settings.pop(name) for name in ("mask", "keep_ratio", "fusion", "mode")}
    )
    model = LoDisc(encoder, regions=regions, hidden_dim=48, out_dim=16, **settings)
    for parameter in model.momentum_encoder.parameters():
        parameter.add_(
            torch.randn(parameter.shape, generator=torch.Generator().manual_seed(parameter.numel()))
            * 0.02
        )
    return model


def views(batch: int = 6) -> torch.Tensor:
    return torch.randint(
        0, 256, (2, batch, 3, 32, 32), generator=torch.Generator().manual_seed(3), dtype=torch.uint8
    )


def noise(batch: int = 6) -> torch.Tensor:
    return torch.rand(2, batch, 16, generator=torch.Generator().manual_seed(0))


def step(model: LoDisc, batch: int = 6):
    return model(views(batch), noise_VBP=noise(batch))


def ctr(q: torch.Tensor, k: torch.Tensor, temperature: float = 0.2) -> torch.Tensor:
    q, k = q / q.norm(dim=1, keepdim=True), k / k.norm(dim=1, keepdim=True)
    terms = [
        -torch.log(
            torch.exp(q[i] @ k[i] / temperature)
            / sum(torch.exp(q[i] @ k[j] / temperature) for j in range(len(k)))
        )
        for i in range(len(q))
    ]
    return 2 * temperature * torch.stack(terms).mean()


@pytest.mark.parametrize("attention", ["momentum", "student"])
@pytest.mark.parametrize("positives", ["other", "both"])
@pytest.mark.parametrize(
    ("masked_side", "mode", "weight"), [*product(["key", "query"], ["drop", "zero"], [1.0, 0.5])]
)
def test_losses_equal_the_formula_written_view_by_view(
    masked_side: str, mode: str, weight: float, positives: str, attention: str
) -> None:
    """L = ctr(q, k') + ctr(q', k) + λ·(ctr(q, k'_l) + ctr(q', k_l)), or with masked queries, one
    view at a time.

    With both positives the local loss is the mean of that and ctr(q, k_l) + ctr(q', k'_l).
    """
    settings = {
        "masked_side": masked_side,
        "mode": mode,
        "positives": positives,
        "attention_from": attention,
    }
    model = tiny(local_weight=weight, keep_ratio=0.3, **settings)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(
                0.05
                * torch.randn(
                    parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())
                )
            )
    f, h = model.encoder, model.predictor
    fk, gk = model.momentum_encoder, model.momentum_projector

    def masked(encoder, x):
        _, rows = (f if attention == "student" else fk).forward_with_attention(x)
        keep = choose_patches(
            FUSIONS["product"].score(rows),
            mask="pivotal",
            keep_ratio=0.3,
            grid=(4, 4),
            noise_BP=noise()[0],
        )
        if mode == "drop":
            return encoder(x, keep_BK=keep)
        image = encoder.normalise(x).clone()
        for b, y, c in product(range(len(x)), range(4), range(4)):
            if y * 4 + c not in keep[b].tolist():
                image[b, :, y * 8 : y * 8 + 8, c * 8 : c * 8 + 8] = 0
        return encoder(image)

    x1, x2 = views()
    with torch.no_grad():
        q = [h(model.projector(f(x)[None]))[0] for x in (x1, x2)]
        k = [gk(fk(x)[None])[0] for x in (x1, x2)]
        loss_global = ctr(q[0], k[1]) + ctr(q[1], k[0])
        if masked_side == "key":
            kl = [gk(masked(fk, x)[None])[0] for x in (x1, x2)]
            loss_local, own = (
                ctr(q[0], kl[1]) + ctr(q[1], kl[0]),
                ctr(q[0], kl[0]) + ctr(q[1], kl[1]),
            )
        else:
            ql = [h(model.projector(masked(f, x)[None]))[0] for x in (x1, x2)]
            loss_local, own = (
                ctr(ql[0], k[1]) + ctr(ql[1], k[0]),
                ctr(ql[0], k[0]) + ctr(ql[1], k[1]),
            )
        loss_local = (loss_local + own) / 2 if positives == "both" else loss_local
    got = step(model)
    torch.testing.assert_close(got.loss_global, loss_global, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(got.loss_local, loss_local, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        got.loss.detach(), loss_global + weight * loss_local, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("masked_side", ["key", "query"])
def test_regions_are_cut_from_the_recoloured_views_where_attention_to_the_views_says(
    masked_side: str,
) -> None:
    model = tiny(objective="local", masked_side=masked_side)
    plain, recoloured = views(), 255 - views()
    got = model(torch.cat([plain, recoloured]), noise_VBP=noise())
    with torch.no_grad():
        keep = [
            choose_patches(
                FUSIONS["product"].score(model.momentum_encoder.forward_with_attention(x)[1]),
                mask="pivotal",
                keep_ratio=0.3,
                grid=(4, 4),
                noise_BP=noise()[0],
            )
            for x in plain
        ]
        f, fk = model.encoder, model.momentum_encoder
        if masked_side == "key":
            q = [model.predictor(model.projector(f(x)[None]))[0] for x in plain]
            k = [
                model.momentum_projector(fk(x, keep_BK=kept)[None])[0]
                for x, kept in zip(recoloured, keep, strict=True)
            ]
        else:
            q = [
                model.predictor(model.projector(f(x, keep_BK=kept)[None]))[0]
                for x, kept in zip(recoloured, keep, strict=True)
            ]
            k = [model.momentum_projector(fk(x)[None])[0] for x in plain]
        torch.testing.assert_close(
            got.loss, ctr(q[0], k[1]) + ctr(q[1], k[0]), rtol=1e-4, atol=1e-5
        )
    assert not torch.allclose(got.loss, step(model).loss)
    torch.testing.assert_close(
        model(torch.cat([plain, plain]), noise_VBP=noise()).loss, step(model).loss
    )


def test_global_and_local_alone() -> None:
    both, only_global, only_local = (
        step(tiny(objective=name)) for name in ("both", "global", "local")
    )
    torch.testing.assert_close(only_global.loss, both.loss_global)
    torch.testing.assert_close(only_local.loss, both.loss_local)
    assert only_global.loss_local == 0 and only_local.loss_global == 0


@pytest.mark.parametrize(
    ("objective", "masked_side"), [*product(["global", "local", "both"], ["key", "query"])]
)
def test_gradients_reach_the_student_only(objective: str, masked_side: str) -> None:
    model = tiny(objective=objective, masked_side=masked_side)
    step(model).loss.backward()
    for name, parameter in model.named_parameters():
        if name.startswith("momentum"):
            assert parameter.grad is None and not parameter.requires_grad, name
        elif "fc_norm" not in name:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_whole_regions_make_the_local_task_a_copy_of_the_global_one() -> None:
    for masked_side in ("key", "query"):
        got = step(tiny(keep_ratio=1.0, masked_side=masked_side))
        torch.testing.assert_close(got.loss_local, got.loss_global)


PASSES: list[tuple[dict[str, Any], list[str]]] = [
    ({"objective": "global"}, ["student whole", "momentum whole"]),
    ({"masked_side": "key"}, ["student whole", "momentum whole", "momentum part"]),
    ({"masked_side": "query"}, ["student whole", "momentum whole", "student part"]),
    ({"objective": "local", "masked_side": "query"}, ["momentum whole", "student part"]),
    (
        {"objective": "local", "masked_side": "key"},
        ["student whole", "momentum whole", "momentum part"],
    ),
]


@pytest.mark.parametrize(("settings", "expected"), PASSES)
def test_passes_of_a_step(settings: dict[str, Any], expected: list[str]) -> None:
    """Both views in one pass of the student and one of the momentum encoder, and one extra over the
    kept patches.
    """
    model = tiny(**settings)
    passes: list[str] = []
    shapes = {(12, 1 + 16): "whole", (12, 1 + 5): "part"}
    for name, encoder in (("student", model.encoder), ("momentum", model.momentum_encoder)):
        encoder.trunk.blocks[0].register_forward_hook(
            lambda module, args, output, name=name: passes.append(
                f"{name} {shapes[tuple(args[0].shape[:2])]}"
            )
        )
    step(model)
    assert sorted(passes) == sorted(expected)


def test_momentum_is_an_average_of_before_and_student() -> None:
    model = tiny()
    before = {name: p.clone() for name, p in model.named_parameters()}
    model.update_momentum(0.75)
    for name, parameter in model.named_parameters():
        if name.startswith("momentum_"):
            expected = 0.75 * before[name] + 0.25 * before[name.removeprefix("momentum_")]
            torch.testing.assert_close(parameter, expected)
        else:
            assert torch.equal(parameter, before[name])


def test_same_seed_same_step_to_the_bit() -> None:
    def golden() -> list[torch.Tensor]:
        model = tiny(masked_side="query", mask="random")
        optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3)
        step(model).loss.backward()
        optimiser.step()
        model.update_momentum(0.9)
        return [*model.state_dict().values(), step(model).loss.detach()]

    assert all(torch.equal(a, b) for a, b in zip(golden(), golden(), strict=True))


def test_features_and_attention_are_reported_as_they_were() -> None:
    model = tiny()
    got = step(model)
    with torch.no_grad():
        torch.testing.assert_close(got.features_VBD[0], model.encoder(views()[0]))
    torch.testing.assert_close(
        got.rows_BLP, model.momentum_encoder.forward_with_attention(views()[0])[1]
    )
    assert not F.normalize(got.queries_VBD, dim=-1).requires_grad


def test_the_table_of_the_module_holds_the_values_of_the_recipes() -> None:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (lodisc.method.lodisc.__doc__ or "").splitlines()
        if line.startswith("| ") and not line.startswith("| setting")
    ]
    assert len(cells) == 14
    for name, _, published, default, _ in cells:
        assert published == str(getattr(paper(), name)), name
        assert default == str(getattr(TrainConfig(), name)), name
