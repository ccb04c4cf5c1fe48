"""Weights by the names of other programs become the weights of timm's model."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from test_weights import equal, refusal
from torch import Tensor

from lodisc.encoders import build_encoder, load_weights
from lodisc.method.encoder import Encoder

SMALL = {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 8}
OF_MMPRETRAIN = (
    ("patch_embed.proj", "patch_embed.projection"),
    ("blocks.", "layers."),
    ("norm1", "ln1"),
    ("norm2", "ln2"),
    ("mlp.fc1", "ffn.layers.0.0"),
    ("mlp.fc2", "ffn.layers.1"),
    ("^norm", "ln1"),
    ("ls1.gamma", "attn.gamma1.weight"),
    ("ls2.gamma", "ffn.gamma2.weight"),
)
OF_CLIP = (
    ("cls_token", "embeddings.class_embedding"),
    ("pos_embed", "embeddings.position_embedding.weight"),
    ("patch_embed.proj", "embeddings.patch_embedding"),
    ("norm_pre", "pre_layrnorm"),
    ("^norm", "post_layernorm"),
    ("blocks.", "encoder.layers."),
    ("norm([12])", r"layer_norm\1"),
    (r"attn\.([qkv])\.", r"self_attn.\1_proj."),
    ("attn.proj", "self_attn.out_proj"),
)


def of_model(name: str = "vit_tiny_patch16_224", **args: float) -> Encoder:
    return build_encoder(name, image_size=32, args={**SMALL, **args})


def renamed(tensors: dict[str, Tensor], names: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    def new(name: str) -> str:
        for old, theirs in names:
            name = re.sub(old, theirs, name)
        return name

    return {new(name): tensor for name, tensor in tensors.items()}


def apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values under names of their own."""
    parts = {
        name.replace("qkv", part): third.clone()
        for name, tensor in tensors.items()
        if "qkv" in name
        for part, third in zip("qkv", tensor.chunk(3), strict=True)
    }
    return {name: tensor for name, tensor in tensors.items() if "qkv" not in name} | parts


def without_axes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The class token and the positions as CLIP has them."""
    return {
        name: tensor.squeeze() if name in ("cls_token", "pos_embed") else tensor
        for name, tensor in tensors.items()
    }


def loaded(path: Path, tensors: dict[str, Tensor], encoder: Encoder) -> Encoder:
    """An encoder that was filled from these tensors in a file."""
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    load_weights(encoder, path)
    return encoder


@pytest.mark.parametrize(
    "extra",
    [
        "masked_embed",
        "fc.weight",
        "classifier.bias",
        "head.last_layer.weight_g",
        "pre_logits.fc.bias",
    ],
)
def test_heads_and_masks_beside_an_encoder_are_left_out(tmp_path: Path, extra: str) -> None:
    tensors = of_model().trunk.state_dict()
    theirs = {**tensors, extra: torch.zeros(1, 32)}
    assert equal(loaded(tmp_path / "w.safetensors", theirs, of_model()), tensors)


@pytest.mark.parametrize("prefix", ["", "backbone.", "student.backbone."])
@pytest.mark.parametrize("layout", ["chunks", "apart", "mmpretrain"])
def test_other_layouts_are_read(tmp_path: Path, layout: str, prefix: str) -> None:
    tensors = of_model(init_values=0.1).trunk.state_dict()
    theirs = {
        "chunks": lambda: renamed(tensors, ((r"^blocks\.", "blocks.0."),)),
        "apart": lambda: apart(tensors),
        "mmpretrain": lambda: renamed(tensors, OF_MMPRETRAIN),
    }[layout]()
    prefixed = {prefix + name: tensor for name, tensor in theirs.items()}
    encoder = loaded(tmp_path / "w.safetensors", prefixed, of_model(init_values=0.1))
    assert equal(encoder, tensors)


def test_the_pictures_side_of_clip_is_read(tmp_path: Path) -> None:
    name = "vit_base_patch16_clip_224"
    tensors = of_model(name).trunk.state_dict()
    theirs = {
        f"vision_model.{name}": tensor
        for name, tensor in renamed(apart(without_axes(tensors)), OF_CLIP).items()
    }
    others = {
        "text_model.embeddings.token_embedding.weight": torch.zeros(4, 4),
        "vision_model.embeddings.position_ids": torch.arange(17)[None],
        "visual_projection.weight": torch.zeros(4, 4),
    }
    path = tmp_path / "w.safetensors"
    assert equal(loaded(path, {**theirs, **others}, of_model(name)), tensors)


def test_an_adapter_beside_the_weights_is_refused_with_how_to_merge_it(tmp_path: Path) -> None:
    names = (("^", "base_model.model."), (r"qkv\.", "qkv.base_layer."))
    theirs = renamed(of_model().trunk.state_dict(), names)
    theirs["base_model.model.blocks.0.attn.qkv.lora_A.default.weight"] = torch.zeros(2, 32)
    save_file(theirs, tmp_path / "w.safetensors")
    assert "merge_and_unload() of peft" in refusal(tmp_path / "w.safetensors")
