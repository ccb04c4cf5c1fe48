"""A vision transformer with its [CLS] feature and the attention that [CLS] pays to the patches.

Axes: B batch, H heads, T tokens, P patches, K kept patches, L layers, D feature.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lodisc.method.attention import AttentionRows

ADVICE = "use a timm vit_* or deit_* model"


class Encoder(nn.Module):
    """A timm vision transformer, its [CLS] feature and the [CLS] attention rows of all its layers.

    Raises `ValueError` for a model without a [CLS] token, without a sequence of patches of which
    some can be left out, or with a layer that does not run exactly one fused self-attention.
    """

    trunk: Any
    mean: Tensor
    std: Tensor

    def __init__(
        self, trunk: nn.Module, *, name: str = "", args: dict[str, Any] | None = None
    ) -> None:
        """`name` and `args` are the timm name and arguments of the trunk, to build it again."""
        super().__init__()
        self.trunk = trunk
        self.name, self.args = name, args or {}
        self.fit = "crop"
        """How a whole photograph becomes the square that this encoder sees."""
        self.learnt_from: tuple[str, ...] = ()
        """A sketch of the photographs that lodisc has trained it on."""
        _require_vision_transformer(self.trunk)
        self.patch_selector = PatchSelector(
            prefix=self.trunk.num_prefix_tokens, returns_indices=self.trunk.patch_drop is None
        )
        self.trunk.patch_drop = self.patch_selector
        self.dim: int = self.trunk.num_features
        self.grid: tuple[int, int] = tuple(self.trunk.patch_embed.grid_size)
        self.image_size: int = self.trunk.patch_embed.img_size[0]
        self.patches: int = math.prod(self.grid)
        self.register_buffer("mean", torch.zeros(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.ones(3, 1, 1), persistent=False)
        self.set_normalisation(
            mean=self.trunk.pretrained_cfg["mean"], std=self.trunk.pretrained_cfg["std"]
        )
        _require_attention(self)

    def set_normalisation(self, *, mean: Sequence[float], std: Sequence[float]) -> None:
        """Mean and standard deviation of each colour, of pixels from 0 to 1."""
        self.trunk.pretrained_cfg = {
            **self.trunk.pretrained_cfg,
            "mean": tuple(mean),
            "std": tuple(std),
        }
        self.mean.copy_(torch.tensor(mean).view(3, 1, 1))
        self.std.copy_(torch.tensor(std).view(3, 1, 1))

    def normalise(self, images_B3SS: Tensor) -> Tensor:
        """Bytes 0..255 to floats as the model was made for; floats pass unchanged."""
        if images_B3SS.dtype != torch.uint8:
            return images_B3SS
        return (images_B3SS.float() / 255 - self.mean) / self.std

    def forward(self, images_B3SS: Tensor, *, keep_BK: Tensor | None = None) -> Tensor:
        """The [CLS] features [B, D] of images, bytes or already normalised floats.

        `keep_BK` are the sorted positions of patches: only these run through the layers, each with
        the position embedding of its place in the whole image.
        """
        return self._features(images_B3SS, keep_BK=keep_BK)

    def forward_with_attention(
        self, images_B3SS: Tensor, *, keep_BK: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The features [B, D] and, from the same pass, the attention rows [B, L, P] in fp32.

        Row l is that of the [CLS] query in layer l: softmax over all tokens, averaged over heads,
        restricted to the patch keys, of which there are K with `keep_BK`. The rows carry no
        gradient.
        """
        with AttentionRows() as attention:
            features_BD = self._features(images_B3SS, keep_BK=keep_BK)
        rows_BLT = torch.stack(attention.rows_BT, dim=1)
        return features_BD, rows_BLT[:, :, self.trunk.num_prefix_tokens :]

    def freeze_all_but(self, blocks: int) -> None:
        """Let only the last so many blocks and the last norm learn."""
        self.requires_grad_(False)
        for part in (self.trunk.blocks[-blocks:], self._last_norm):
            part.requires_grad_(True)

    @property
    def can_shift(self) -> bool:
        """Whether the last norm has a bias, which `shift` moves."""
        return getattr(self._last_norm, "bias", None) is not None

    @torch.no_grad()
    def shift(self, by_D: Tensor) -> None:
        """Add a vector to all features, by the bias of the last norm: it costs nothing later."""
        self._last_norm.bias += by_D.to(self._last_norm.bias)

    @torch.no_grad()
    def map_features(self, map_DD: Tensor) -> None:
        """Multiply all features by a matrix from the right: it becomes the trunk's head."""
        head = nn.Linear(self.dim, self.dim, device=self.mean.device)  # timm wants a bias
        head.weight.copy_(map_DD.T)
        head.bias.zero_()
        self.trunk.num_classes, self.trunk.head = self.dim, head

    @property
    def is_mapped(self) -> bool:
        """Whether the trunk has a head, of which the features come."""
        return isinstance(self.trunk.head, nn.Linear)

    @property
    def _last_norm(self) -> Any:
        pooled = self.trunk.fc_norm
        return self.trunk.norm if isinstance(pooled, nn.Identity) else pooled

    def patch_features(self, images_B3SS: Tensor) -> Tensor:
        """The features [B, P, D] of all patches after the last layer and its norm, row by row."""
        tokens_BTD = self._tokens(images_B3SS)
        return self.trunk.fc_norm(tokens_BTD[:, self.trunk.num_prefix_tokens :])

    def _features(self, images_B3SS: Tensor, *, keep_BK: Tensor | None = None) -> Tensor:
        return self.trunk.head(self.trunk.fc_norm(self._tokens(images_B3SS, keep_BK=keep_BK)[:, 0]))

    def _tokens(self, images_B3SS: Tensor, *, keep_BK: Tensor | None = None) -> Tensor:
        self.patch_selector.keep_BK = keep_BK
        try:
            return self.trunk.forward_features(self.normalise(images_B3SS))
        finally:
            self.patch_selector.keep_BK = None


class PatchSelector(nn.Module):
    """Selects patches by position, after the position embedding; replaces timm's patch dropout."""

    def __init__(self, *, prefix: int, returns_indices: bool) -> None:
        super().__init__()
        self.prefix = prefix
        self.returns_indices = returns_indices
        self.keep_BK: Tensor | None = None

    def forward(self, tokens_BTD: Tensor) -> Tensor | tuple[Tensor, Tensor | None]:
        if self.keep_BK is not None:
            places_BKD = self.keep_BK[:, :, None].expand(-1, -1, tokens_BTD.shape[2])
            patches_BPD = tokens_BTD[:, self.prefix :]
            tokens_BTD = torch.cat(
                [tokens_BTD[:, : self.prefix], patches_BPD.gather(1, places_BKD)], dim=1
            )
        return (tokens_BTD, self.keep_BK) if self.returns_indices else tokens_BTD


def _require_vision_transformer(trunk: Any) -> None:
    name = type(trunk).__name__
    needed = ("blocks", "patch_embed", "patch_drop", "num_prefix_tokens", "forward_features")
    missing = [part for part in (*needed, "fc_norm", "head") if not hasattr(trunk, part)]
    if missing:
        raise ValueError(
            f"{name} is not a vision transformer that lodisc can use (no {missing[0]}); {ADVICE}"
        )
    if not len(trunk.blocks):
        raise ValueError(f"{name} has no layers; give it a depth of at least 1")
    if getattr(trunk, "cls_token", None) is None:
        raise ValueError(
            f"{name} has no [CLS] token, which the method reads attention from; {ADVICE} with one"
        )


@torch.no_grad()
def _require_attention(encoder: Encoder) -> None:
    """Try the model on an empty image: no error would tell of a layer without fused attention."""
    training = encoder.training
    encoder.eval()
    side = encoder.image_size
    with AttentionRows() as attention:
        encoder._features(torch.zeros(1, 3, side, side, device=encoder.mean.device))
    encoder.train(training)
    tokens, layers = encoder.patches + encoder.trunk.num_prefix_tokens, len(encoder.trunk.blocks)
    if [row.shape[1] for row in attention.rows_BT] != [tokens] * layers:
        name = type(encoder.trunk).__name__
        raise ValueError(
            f"{name} does not run one fused self-attention over all patches in each layer; {ADVICE}"
        )
