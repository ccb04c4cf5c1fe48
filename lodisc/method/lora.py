"""Low-rank adapters: a frozen linear layer learns a change of low rank (LoRA, arXiv 2106.09685).

y = W x + b + (α/R) · B A x. A [R, I] begins as a linear layer does and B [O, R] as zero, so that
nothing changes at first. α = 2 R, as in the authors' code for RoBERTa (rank 8, α 16). Every linear
layer of every block has an adapter: qkv and proj of the attention, both of the MLP.

The momentum encoder has plain layers and follows the merged weights W + (α/R) · B A. So it is the
moving average of the student's weights, as it is without adapters. An average of A and one of B
would not be: their product is not the average of the products.

Axes: I inputs, O outputs, R rank.
"""

import math
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lodisc.method.encoder import Encoder

SCALE = 2.0
"""α/R."""


class AdaptedLinear(nn.Linear):
    """A frozen linear layer and its adapter; weight and bias keep their names."""

    def __init__(self, linear: nn.Linear, *, rank: int) -> None:
        sizes = (linear.in_features, linear.out_features)
        super().__init__(*sizes, bias=linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.requires_grad_(False)
        self.a_RI = nn.Parameter(self.weight.new_empty(rank, linear.in_features))
        self.b_OR = nn.Parameter(self.weight.new_zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.a_RI, a=math.sqrt(5))

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + SCALE * F.linear(F.linear(input, self.a_RI), self.b_OR)

    def merged_parameters(self) -> list[Tensor]:
        """Weight and, if there is one, bias of the plain layer that computes the same."""
        weight_OI = self.weight + SCALE * self.b_OR @ self.a_RI
        return [weight_OI] if self.bias is None else [weight_OI, self.bias]

    def merged(self) -> nn.Linear:
        """The plain layer that computes the same."""
        sizes = (self.in_features, self.out_features)
        plain = nn.Linear(*sizes, bias=self.bias is not None, device="meta")
        values = self.merged_parameters()
        for name, tensor in zip(dict(plain.named_parameters()), values, strict=True):
            setattr(plain, name, nn.Parameter(tensor))
        return plain


def adapt(encoder: Encoder, *, rank: int) -> None:
    """Freeze the encoder, and give the linear layers of its blocks adapters, which learn."""
    encoder.requires_grad_(False)
    for name, layer in _linear_layers(encoder).items():
        encoder.set_submodule(name, AdaptedLinear(layer, rank=rank))


@torch.no_grad()
def merged(encoder: Encoder) -> Encoder:
    """A copy with plain layers that computes the same; an encoder without adapters is its own."""
    if not any(isinstance(part, AdaptedLinear) for part in encoder.modules()):
        return encoder
    plain = deepcopy(encoder)
    for name, layer in _linear_layers(plain).items():
        if isinstance(layer, AdaptedLinear):
            plain.set_submodule(name, layer.merged())
    return plain


@torch.no_grad()
def merged_parameters(module: nn.Module) -> list[Tensor]:
    """The parameters that `module` has with plain layers, in their order, without gradients."""
    return [
        tensor.detach()
        for part in module.modules()
        for tensor in (
            part.merged_parameters()
            if isinstance(part, AdaptedLinear)
            else part.parameters(recurse=False)
        )
    ]


@torch.no_grad()
def require_adaptable(encoder: Encoder) -> None:
    """Try the encoder on an empty image: an adapter in a layer that is not called does nothing.

    Raises `ValueError` for a model that takes the weights of a layer and multiplies by itself.
    """
    layers = _linear_layers(encoder)
    idle = set(layers)
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: idle.discard(name))
        for name, layer in layers.items()
    ]
    encoder(torch.zeros(1, 3, encoder.image_size, encoder.image_size, device=encoder.mean.device))
    for hook in hooks:
        hook.remove()
    if idle:
        raise ValueError(f"computes {min(idle)} without its layer, so an adapter has no effect")


def _linear_layers(encoder: Encoder) -> dict[str, nn.Linear]:
    """The linear layers of all blocks, by their names in the encoder."""
    return {
        f"trunk.blocks.{name}": layer
        for name, layer in encoder.trunk.blocks.named_modules()
        if isinstance(layer, nn.Linear)
    }
