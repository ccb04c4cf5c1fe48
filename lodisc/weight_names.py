"""The names of tensors in weights of other programs, as timm has them."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lodisc.errors import UserError


class _Library(NamedTuple):
    """How a library names the tensors of a vision transformer."""

    title: str
    marker: str
    """The end of the name of the patch projection."""
    renamed: tuple[tuple[str, str], ...]
    """Patterns of whole names, and timm's names."""
    left_out: tuple[str, ...]
    """How the names of tensors begin that no encoder has."""


_LIBRARIES = (
    _Library(
        "timm",
        "patch_embed.proj.weight",
        (
            (r"blocks\.\d+\.(\d+\..+)", r"blocks.\1"),  # in chunks, as DINOv2 trains
            (r"(.+)", r"\1"),
        ),
        # Of masked autoencoders, of iBOT, and of classifiers
        ("decoder_", "masked_embed", "fc.", "classifier.", "pre_logits."),
    ),
    _Library(
        "mmpretrain",
        "patch_embed.projection.weight",
        (
            (r"(cls_token|pos_embed)", r"\1"),
            (r"patch_embed\.projection\.(.+)", r"patch_embed.proj.\1"),
            (r"layers\.(\d+)\.(?:ln|norm)([12])\.(.+)", r"blocks.\1.norm\2.\3"),
            (r"layers\.(\d+)\.attn\.(qkv|proj)\.(.+)", r"blocks.\1.attn.\2.\3"),
            (r"layers\.(\d+)\.ffn\.layers\.0\.0\.(.+)", r"blocks.\1.mlp.fc1.\2"),
            (r"layers\.(\d+)\.ffn\.layers\.1\.(.+)", r"blocks.\1.mlp.fc2.\2"),
            (r"layers\.(\d+)\.attn\.gamma1\.weight", r"blocks.\1.ls1.gamma"),
            (r"layers\.(\d+)\.ffn\.gamma2\.weight", r"blocks.\1.ls2.gamma"),
            (r"(?:ln|norm)1\.(.+)", r"norm.\1"),
        ),
        ("head.",),
    ),
    _Library(
        "transformers, of CLIP",
        "embeddings.patch_embedding.weight",
        (
            (r"embeddings\.class_embedding", "cls_token"),
            (r"embeddings\.position_embedding\.weight", "pos_embed"),
            (r"embeddings\.patch_embedding\.(.+)", r"patch_embed.proj.\1"),
            (r"pre_layrnorm\.(.+)", r"norm_pre.\1"),  # misspelt by transformers
            (
                r"encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(.+)",
                r"blocks.\1.attn.\2.\3",
            ),
            (r"encoder\.layers\.(\d+)\.self_attn\.out_proj\.(.+)", r"blocks.\1.attn.proj.\2"),
            (r"encoder\.layers\.(\d+)\.layer_norm([12])\.(.+)", r"blocks.\1.norm\2.\3"),
            (r"encoder\.layers\.(\d+)\.mlp\.(fc[12])\.(.+)", r"blocks.\1.mlp.\2.\3"),
            (r"post_layernorm\.(.+)", r"norm.\1"),
        ),
        ("embeddings.position_ids",),
    ),
    _Library(  # a vision transformer, DeiT or DINOv2
        "transformers",
        "embeddings.patch_embeddings.projection.weight",
        (
            (r"embeddings\.cls_token", "cls_token"),
            (r"embeddings\.distillation_token", "dist_token"),
            (r"embeddings\.register_tokens", "reg_token"),
            (r"embeddings\.position_embeddings", "pos_embed"),
            (r"embeddings\.patch_embeddings\.projection\.(.+)", r"patch_embed.proj.\1"),
            (
                r"encoder\.layer\.(\d+)\.attention\.attention\.([qkv])(?:uery|ey|alue)\.(.+)",
                r"blocks.\1.attn.\2.\3",
            ),
            (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.(.+)", r"blocks.\1.attn.proj.\2"),
            (r"encoder\.layer\.(\d+)\.(?:layernorm_before|norm1)\.(.+)", r"blocks.\1.norm1.\2"),
            (r"encoder\.layer\.(\d+)\.(?:layernorm_after|norm2)\.(.+)", r"blocks.\1.norm2.\2"),
            (
                r"encoder\.layer\.(\d+)\.(?:intermediate\.dense|mlp\.fc1)\.(.+)",
                r"blocks.\1.mlp.fc1.\2",
            ),
            (
                r"encoder\.layer\.(\d+)\.(?:output\.dense|mlp\.fc2)\.(.+)",
                r"blocks.\1.mlp.fc2.\2",
            ),
            (r"encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1", r"blocks.\1.ls\2.gamma"),
            (r"layernorm\.(.+)", r"norm.\1"),
        ),
        ("pooler.", "embeddings.mask_token"),
    ),
    _Library(
        "torchvision",
        "conv_proj.weight",
        (
            (r"class_token", "cls_token"),
            (r"conv_proj\.(.+)", r"patch_embed.proj.\1"),
            (r"encoder\.pos_embedding", "pos_embed"),
            (r"encoder\.layers\.encoder_layer_(\d+)\.ln_([12])\.(.+)", r"blocks.\1.norm\2.\3"),
            (
                r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_(.+)",
                r"blocks.\1.attn.qkv.\2",
            ),
            (
                r"encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\.(.+)",
                r"blocks.\1.attn.proj.\2",
            ),
            (
                r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:0|linear_1)\.(.+)",
                r"blocks.\1.mlp.fc1.\2",
            ),
            (
                r"encoder\.layers\.encoder_layer_(\d+)\.mlp\.(?:3|linear_2)\.(.+)",
                r"blocks.\1.mlp.fc2.\2",
            ),
            (r"encoder\.ln\.(.+)", r"norm.\1"),
        ),
        ("heads.",),
    ),
)


def as_timm(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one vision transformer, by timm's names.

    They may lie under a prefix, as `module.` or `student.backbone.`, and have the names of the
    libraries transformers, torchvision and mmpretrain. Tensors of any other kind come back as they
    are. Raises `UserError` for several encoders in a file, and for an adapter beside the weights.
    """
    if adapter := next((name for name in tensors if ".lora_" in name), None):
        raise UserError(
            f"it has an adapter beside the weights ({adapter}); "
            "save what merge_and_unload() of peft returns"
        )
    for library in _LIBRARIES:
        marker = library.marker
        prefixes = sorted(name.removesuffix(marker) for name in tensors if name.endswith(marker))
        if len(prefixes) > 1:
            raise UserError(
                f"it holds several encoders, {', '.join(repr(name) for name in prefixes)}; "
                "save one of them alone"
            )
        if prefixes:
            own = {
                name.removeprefix(prefixes[0]): tensor
                for name, tensor in tensors.items()
                if name.startswith(prefixes[0])
            }
            return _renamed(own, library)
    return dict(tensors)


def _renamed(tensors: Mapping[str, Tensor], library: _Library) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        if name.startswith(library.left_out):
            continue
        matches = ((re.fullmatch(pattern, name), new) for pattern, new in library.renamed)
        new = next((match.expand(new) for match, new in matches if match), None)
        if new is None:
            raise UserError(
                f"it has the names of the library {library.title}, but {name} is none of them"
            )
        if part := re.fullmatch(r"(blocks\.\d+\.attn)\.([qkv])\.(.+)", new):
            parts[f"{part[1]}.qkv.{part[3]}"][part[2]] = tensor
        elif new in ("cls_token", "pos_embed") and tensor.ndim < 3:  # without the axes of 1
            renamed[new] = tensor.reshape(1, -1, tensor.shape[-1])
        else:
            renamed[new] = tensor
    for name, queries_keys_values in parts.items():
        try:
            ordered = [queries_keys_values[part] for part in "qkv"]
        except KeyError as error:
            raise UserError(
                f"it has the names of the library {library.title}, "
                f"but no {error.args[0]} for {name}"
            ) from None
        renamed[name] = torch.cat(ordered)
    return renamed
