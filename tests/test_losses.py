"""Loss, heads and schedules against plain loops."""

import math

import pytest
import torch
from torch import nn

from lodisc.method.heads import ViewBatchNorm, predictor, projector
from lodisc.method.losses import info_nce
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
    decayed, free = (
        {id(p) for p in group["params"]} for group in adamw(encoder, weight_decay=0.1).param_groups
    )
    for name, parameter in encoder.named_parameters():
        if "patch_embed" in name:
            assert id(parameter) not in decayed | free
        elif name.endswith(("qkv.weight", "fc1.weight", "fc2.weight", "proj.weight")):
            assert id(parameter) in decayed, name
        else:
            assert id(parameter) in free, name
