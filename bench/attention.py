"""Attention of one layer on the CPU, forward and backward: torch's fused kernel against two matrix
products, in bf16.

    python bench/attention.py [--heads 3] [--head-dim 64]

Prints for every length of the sequence the median milliseconds of both and the median ratio, taken
in turn in one run. What is quicker decides `lodisc.device.SHORT`.
"""

import statistics
import time
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import tyro

from lodisc.console import table, track
from lodisc.device import ShortAttention

LENGTHS = (17, 33, 65, 101, 145, 197, 257, 300)


@dataclass
class Settings:
    heads: int = 3
    head_dim: int = 64
    tokens: int = 128 * 65
    """Tokens in a batch, so that every length is the same work but for the attention."""
    rounds: int = 7


def seconds(qkv: torch.Tensor, *, quick: bool) -> float:
    begun = time.perf_counter()
    query, key, value = qkv.unbind(0)
    if quick:
        with ShortAttention():
            attended = F.scaled_dot_product_attention(query, key, value)
    else:
        attended = F.scaled_dot_product_attention(query, key, value)
    attended.sum().backward()
    return time.perf_counter() - begun


def main(settings: Settings) -> None:
    rows = []
    for length in track(LENGTHS, description="Lengths", total=len(LENGTHS)):
        batch = max(1, settings.tokens // length)
        qkv = torch.randn(
            3,
            batch,
            settings.heads,
            length,
            settings.head_dim,
            dtype=torch.bfloat16,
            requires_grad=True,
        )
        taken = [
            (seconds(qkv, quick=False), seconds(qkv, quick=True))
            for _ in range(settings.rounds + 1)
        ][1:]
        fused, products = (statistics.median(column) for column in zip(*taken, strict=True))
        ratio = statistics.median(a / b for a, b in taken)
        rows.append(
            [
                str(length),
                str(batch),
                f"{1000 * fused:.1f}",
                f"{1000 * products:.1f}",
                f"{ratio:.2f}",
            ]
        )
    heads = f"{settings.heads} heads of {settings.head_dim}"
    title = f"{heads}, bf16, {torch.get_num_threads()} threads; milliseconds"
    table(title, ["tokens", "batch", "fused", "two products", "times quicker"], rows)


if __name__ == "__main__":
    main(tyro.cli(Settings))
