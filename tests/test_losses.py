"""Loss, heads and schedules against plain loops."""

import math

import pytest
import torch
from torch import nn

from lodisc.method.heads import ViewBatchNorm, predictor, projector
from lodisc.method.losses import info_nce, neighbour_loss
from lodisc.training.optim import adamw, cosine, learning_rate, momentum


def test_info_nce_equals_plain_loops() -> None:
    torch.manual_seed(0)
    q, k, temperature = torch.randn(5, 8), torch.randn(5, 8), 0.2
    total = 0.0
    for i in range(5):
        similar = [
            sum((q[i] / q[i].norm()) * (k[j] / k[j].norm())).item() / temperature for j in range(5)
        ]
        total += -(similar[i] - math.log(sum(math.exp(s) for s in similar)))
    assert info_nce(q, k, temperature=temperature).item() == pytest.approx(
        2 * temperature * total / 5, rel=1e-5
    )


def test_info_nce_over_gathered_keys() -> None:
    """The second of two processes: its own keys are rows 3 to 5 of the gathered ones."""
    torch.manual_seed(0)
    q, k = torch.randn(6, 8), torch.randn(6, 8)
    unit = nn.functional.normalize(k, dim=1)
    parts = [
        info_nce(q[:3], k[:3], temperature=0.2, gather=lambda _: (unit, 0)),
        info_nce(q[3:], k[3:], temperature=0.2, gather=lambda _: (unit, 3)),
    ]
    assert torch.stack(parts).mean().item() == pytest.approx(
        info_nce(q, k, temperature=0.2).item(), rel=1e-6
    )


def test_keys_get_no_gradient() -> None:
    q, k = torch.randn(4, 8, requires_grad=True), torch.randn(4, 8, requires_grad=True)
    info_nce(q, k, temperature=0.2).backward()
    assert q.grad is not None and k.grad is None


def neighbourly(
    share_of_positives: float, share_of_negatives: float
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """The tensors of a `neighbour_loss` of 5 queries, 3 positives and 7 others, and the queries."""
    generator = torch.Generator().manual_seed(0)

    def unit(*shape: int) -> torch.Tensor:
        return nn.functional.normalize(torch.randn(*shape, 8, generator=generator), dim=-1)

    query_BD = unit(5).requires_grad_()
    is_positive_BK = torch.rand(5, 3, generator=generator) < share_of_positives
    is_positive_BK[:, 0] = True
    return {
        "query_BD": query_BD,
        "positive_BKD": unit(5, 3),
        "negative_MD": unit(7),
        "is_positive_BK": is_positive_BK,
        "is_negative_BM": torch.rand(5, 7, generator=generator) < share_of_negatives,
    }, query_BD


@pytest.mark.parametrize("share_of_negatives", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("share_of_positives", [0.0, 0.5, 1.0])
def test_neighbour_loss_equals_plain_loops(
    share_of_positives: float, share_of_negatives: float
) -> None:
    tensors, query_BD = neighbourly(share_of_positives, share_of_negatives)
    means = []
    for i, query in enumerate(query_BD):
        against = [
            torch.exp(query @ tensors["negative_MD"][m] / 0.1)
            for m in range(7)
            if tensors["is_negative_BM"][i, m]
        ]
        terms = []
        for k in range(3):
            if tensors["is_positive_BK"][i, k]:
                match = torch.exp(query @ tensors["positive_BKD"][i, k] / 0.1)
                terms.append(-torch.log(match / (match + sum(against))))
        means.append(torch.stack(terms).mean())
    expected = torch.stack(means).mean()
    (expected_BD,) = torch.autograd.grad(expected, query_BD)
    loss = neighbour_loss(**tensors, temperature=0.1)
    (gradient_BD,) = torch.autograd.grad(loss, query_BD)
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient_BD, expected_BD, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("temperature", [1e-3, 0.1])
def test_a_query_without_negatives_loses_nothing(temperature: float) -> None:
    """Every other photograph is a neighbour, or spared."""
    tensors, query_BD = neighbourly(1.0, 0.0)
    loss = neighbour_loss(**tensors, temperature=temperature)
    loss.backward()
    assert loss.item() == 0 and query_BD.grad is not None and not query_BD.grad.any()


def test_neighbour_loss_is_exact_in_mixed_precision() -> None:
    tensors, _ = neighbourly(0.5, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = neighbour_loss(**tensors, temperature=0.1)
    assert torch.equal(mixed, neighbour_loss(**tensors, temperature=0.1))


def test_batch_norm_equals_torch_in_each_view() -> None:
    torch.manual_seed(0)
    ours, x = ViewBatchNorm(6), torch.randn(2, 10, 6) * 3 + torch.arange(2)[:, None, None]
    assert ours.weight is not None and ours.bias is not None
    with torch.no_grad():
        ours.weight.uniform_(0.5, 2)
        ours.bias.uniform_(-1, 1)
    theirs = nn.BatchNorm1d(6)
    theirs.load_state_dict({"weight": ours.weight, "bias": ours.bias}, strict=False)
    for view in range(2):
        torch.testing.assert_close(ours(x)[view], theirs(x[view]))


def test_heads_have_the_published_shape() -> None:
    def linear(head: nn.Module) -> list[tuple[int, int]]:
        layers = [layer for layer in head.children() if isinstance(layer, nn.Linear)]
        return [(layer.in_features, layer.out_features) for layer in layers]

    assert linear(projector(192, hidden_dim=4096, out_dim=256)) == [
        (192, 4096),
        (4096, 4096),
        (4096, 256),
    ]
    head = predictor(hidden_dim=4096, out_dim=256)
    assert linear(head) == [(256, 4096), (4096, 256)]
    assert [type(m).__name__ for m in head] == [
        "Linear",
        "ViewBatchNorm",
        "ReLU",
        "Linear",
        "ViewBatchNorm",
    ]
    assert head[1].weight is not None and head[4].weight is None


def test_schedules_equal_their_formulas() -> None:
    steps, peak, warm = 100, 0.5, 10
    for step in range(steps):
        plain = (
            peak * (step + 1) / warm
            if step < warm
            else peak * (1 + math.cos(math.pi * (step - warm) / (steps - warm))) / 2
        )
        assert learning_rate(step, steps=steps, peak=peak, warmup=0.1) == pytest.approx(plain)
        assert momentum(step, steps=steps, start=0.99) == pytest.approx(
            1 - 0.01 * (1 + math.cos(math.pi * step / steps)) / 2
        )
    assert learning_rate(0, steps=1, peak=peak, warmup=0.0) == peak
    assert (
        cosine(5, steps=0, start=1.0, end=0.0) == pytest.approx(1.0)
        or cosine(5, steps=0, start=1.0, end=0.0) == 1.0
    )


def test_no_weight_decay_on_norms_biases_and_tokens() -> None:
    from lodisc.encoders import build_encoder

    encoder = build_encoder("vit_small_patch14_reg4_dinov2", image_size=28, args={"depth": 1})
    encoder.trunk.patch_embed.requires_grad_(False)
    groups = adamw(encoder, weight_decay=0.1).param_groups
    decayed, free = (
        {id(p) for group in groups if group["weight_decay"] == decay for p in group["params"]}
        for decay in (0.1, 0.0)
    )
    for name, parameter in encoder.named_parameters():
        if "patch_embed" in name:
            assert id(parameter) not in decayed | free
        elif name.endswith(("qkv.weight", "fc1.weight", "fc2.weight", "proj.weight")):
            assert id(parameter) in decayed, name
        else:
            assert id(parameter) in free, name
