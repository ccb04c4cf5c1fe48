"""One process or many: started by hand or by `torchrun`, one for each GPU or several on CPUs."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from lodisc.device import pick_device


@dataclass(frozen=True)
class Processes:
    """This process among its peers, and what they say to each other."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def gather(self, keys_ND: Tensor) -> tuple[Tensor, int]:
        """The keys of all processes [M, D], and the row where this process's begin."""
        if self.size == 1:
            return keys_ND, 0
        parts = [torch.empty_like(keys_ND) for _ in range(self.size)]
        dist.all_gather(parts, keys_ND.contiguous())
        return torch.cat(parts), self.rank * len(keys_ND)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a detached tensor over all processes."""
        if self.size == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.size

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true in any process."""
        return bool(self.mean(torch.tensor([float(flag)], device=self.device)).item() > 0)

    def wait(self) -> None:
        """Block until every process has called this."""
        self.any(False)

    def from_first(self, value: Any) -> Any:
        """The first process's value, in all of them."""
        if self.size == 1:
            return value
        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]


class AllReduceSum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        return total


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, or be alone; leave them in an orderly way."""
    if "RANK" not in os.environ or dist.is_initialized():
        joined = dist.is_initialized()
        yield Processes(
            dist.get_rank() if joined else 0,
            dist.get_world_size() if joined else 1,
            pick_device(device),
        )
        return
    own_device = pick_device(device)
    if own_device.type == "cuda":
        own_device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(own_device)
    dist.init_process_group("nccl" if own_device.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), own_device)
        gc.collect()
        dist.barrier()
    finally:
        dist.destroy_process_group()
