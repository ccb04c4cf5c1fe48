"""The encoder against timm's own unfused attention and attention-masked forward, on random weights
of every family.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from lodisc.device import ShortAttention, autocast
from lodisc.encoders import build_encoder, load_weights, training_size
from lodisc.errors import UserError
from lodisc.method.encoder import Encoder

FAMILIES = [
    ("vit_tiny_patch16_224", 64),
    ("deit_tiny_distilled_patch16_224", 64),
    ("vit_small_patch14_dinov2", 70),
    ("vit_small_patch14_reg4_dinov2", 70),
    ("vit_small_patch16_dinov3", 64),
    ("vit_small_plus_patch16_dinov3", 64),
    ("vit_base_patch16_clip_224", 64),
]
SMALL = {"depth": 3}


def small_encoder(name: str, size: int) -> Encoder:
    torch.manual_seed(0)
    encoder = build_encoder(name, image_size=size, args=SMALL).eval()
    for part, parameter in encoder.named_parameters():
        if parameter.ndim >= 2:
            torch.nn.init.normal_(parameter, std=0.08)
        elif "gamma" in part:
            torch.nn.init.ones_(parameter)  # a layer scale near 0 would hide what the layers do
    return encoder


def images(size: int, count: int = 2) -> torch.Tensor:
    return torch.randint(
        0,
        256,
        (count, 3, size, size),
        generator=torch.Generator().manual_seed(1),
        dtype=torch.uint8,
    )


@pytest.mark.parametrize(("name", "size"), FAMILIES)
def test_rows_equal_the_unfused_softmax(name: str, size: int) -> None:
    encoder = small_encoder(name, size)
    _, rows_BLP = encoder.forward_with_attention(images(size))

    seen = []
    for block in encoder.trunk.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(
            lambda module, args, output: seen.append(args[0])
        )
    with torch.no_grad():
        encoder(images(size))
    expected_BLP = torch.stack(
        [a_BHTT.mean(1)[:, 0, encoder.trunk.num_prefix_tokens :] for a_BHTT in seen], 1
    )

    assert rows_BLP.shape == (2, 3, encoder.patches)
    torch.testing.assert_close(rows_BLP, expected_BLP, atol=1e-5, rtol=0)
    assert rows_BLP.std(dim=-1).min() > 1e-6, "constant rows would make this test blind"


@pytest.mark.parametrize(("name", "size"), FAMILIES)
def test_rows_leave_the_features_as_they_are(name: str, size: int) -> None:
    encoder = small_encoder(name, size)
    features_BD, _ = encoder.forward_with_attention(images(size))
    with torch.no_grad():
        assert torch.equal(features_BD, encoder(images(size)))


@pytest.mark.parametrize(("name", "size"), FAMILIES)
def test_patch_features_are_those_of_the_last_layer(name: str, size: int) -> None:
    encoder = small_encoder(name, size)
    with torch.no_grad():
        (last_BPD,) = encoder.trunk.forward_intermediates(
            encoder.normalise(images(size)),
            indices=1,
            norm=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
        torch.testing.assert_close(
            encoder.patch_features(images(size)),
            encoder.trunk.fc_norm(last_BPD),
            atol=1e-5,
            rtol=1e-5,
        )
    assert last_BPD.shape == (2, encoder.patches, encoder.dim)


@pytest.mark.parametrize(("name", "size"), FAMILIES)
def test_subset_equals_a_full_forward_that_masks_the_rest(name: str, size: int) -> None:
    encoder = small_encoder(name, size)
    prefix, patches = encoder.trunk.num_prefix_tokens, encoder.patches
    keep_BK = torch.stack([torch.arange(0, patches, 2)[:5], torch.tensor([1, 3, 4, 7, 11])])
    allowed = torch.zeros(2, prefix + patches, dtype=torch.bool)
    allowed[:, :prefix] = True
    allowed.scatter_(1, keep_BK + prefix, True)
    with torch.no_grad():
        subset_BD = encoder(images(size), keep_BK=keep_BK)
        masked_BTD = encoder.trunk.forward_features(
            encoder.normalise(images(size)), attn_mask=allowed[:, None, None, :]
        )
        whole_BD = encoder(images(size))
    torch.testing.assert_close(
        subset_BD, encoder.trunk.fc_norm(masked_BTD[:, 0]), atol=2e-5, rtol=1e-4
    )
    assert (subset_BD - whole_BD).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet18", "not a vision transformer"),
        ("swin_tiny_patch4_window7_224", "not a vision transformer"),
        ("beit_base_patch16_224", "not a vision transformer"),
        ("vit_base_patch16_siglip_224", r"no \[CLS\] token"),
        ("vit_small_patch16_rope_224_nonsense", "knows no such model"),
        ("deit_tiny_patch16_224.nonsense", "Invalid pretrained tag"),
    ],
)
def test_models_that_cannot_do_it_are_refused_by_name(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*{reason}") as refusal:
        build_encoder(name, image_size=64)
    assert "\n" not in str(refusal.value)


def test_unfused_attention_is_refused() -> None:
    trunk: Any = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=0, depth=2)
    trunk.blocks[1].attn.fused_attn = False
    with pytest.raises(ValueError, match="fused self-attention"):
        Encoder(trunk)


@pytest.mark.parametrize("size", [0, -16])
def test_an_image_size_below_one_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=rf"--image-size {size} is out of range"):
        build_encoder("vit_tiny_patch16_224", image_size=size, args=SMALL)


def test_an_argument_out_of_range_is_refused() -> None:
    with pytest.raises(UserError, match="with --encoder-args drop_rate 2 cannot be built"):
        build_encoder("vit_tiny_patch16_224", image_size=32, args={"drop_rate": 2})


def test_image_size_that_is_no_multiple_of_the_patch() -> None:
    with pytest.raises(ValueError, match="use 56 or 70"):
        build_encoder("vit_small_patch14_dinov2", image_size=64, args=SMALL)


@pytest.mark.parametrize(
    ("name", "args", "size"),
    [
        ("deit_tiny_patch16_224", {}, 224),
        ("vit_small_patch14_reg4_dinov2.lvd142m", {}, 224),  # made for 518
        ("vit_base_patch16_384", {}, 224),
        ("vit_tiny_patch16_224", {"patch_size": 10}, 220),
        ("vit_small_patch16_dinov3", {}, 224),  # made for 256
        ("no_such_model", {}, 224),
    ],
)
def test_training_takes_the_size_that_the_encoder_was_made_for(
    name: str, args: dict[str, int], size: int
) -> None:
    assert training_size(name, args) == size


def test_bytes_are_normalised_as_the_model_wants() -> None:
    encoder = small_encoder("vit_tiny_patch16_224", 32)
    encoder.set_normalisation(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    x = encoder.normalise(torch.full((1, 3, 2, 2), 51, dtype=torch.uint8))
    torch.testing.assert_close(x[0, :, 0, 0], torch.tensor([0.1 / 0.5, 0.0, -0.1 / 0.7]))
    assert encoder.normalise(x) is x


def test_weights_of_another_size_are_resampled_and_a_classifier_left_out(tmp_path) -> None:
    whole: Any = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=7)
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    encoder = build_encoder("vit_tiny_patch16_224", image_size=64, args={"depth": 2})
    load_weights(encoder, tmp_path / "w.safetensors")
    assert torch.equal(encoder.trunk.blocks[1].mlp.fc1.weight, whole.blocks[1].mlp.fc1.weight)
    assert encoder.trunk.pos_embed.shape == (1, 17, 192)


def test_weights_that_do_not_fit_are_refused_whole(tmp_path) -> None:
    encoder = build_encoder("vit_tiny_patch16_224", image_size=64, args={"depth": 2})
    tensors = dict(encoder.trunk.state_dict())
    path = tmp_path / "w.safetensors"

    def refusal(changed: dict[str, torch.Tensor]) -> str:
        save_file(changed, path)
        with pytest.raises(ValueError) as caught:
            load_weights(encoder, path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        return str(caught.value)

    assert "missing" in refusal({name: t for name, t in tensors.items() if "blocks.1" not in name})
    assert "unknown" in refusal({**tensors, "blocks.2.norm1.weight": torch.zeros(192)})
    assert "does not fit" in refusal({**tensors, "norm.weight": torch.zeros(7)})
    assert "not finite" in refusal({**tensors, "norm.weight": torch.full((192,), torch.nan)})
    for dtype in (torch.complex64, torch.int8, torch.bool):
        kind = str(dtype).removeprefix("torch.")
        assert f"{kind} numbers" in refusal(
            {**tensors, "norm.weight": torch.ones(192, dtype=dtype)}
        )
    with pytest.raises(ValueError, match="no such weights file"):
        load_weights(encoder, tmp_path / "gone.safetensors")


def test_the_quick_attention_equals_the_fused_one() -> None:
    query, key, value = torch.randn(3, 2, 3, 17, 8, generator=torch.Generator().manual_seed(0)).to(
        torch.bfloat16
    )
    exact = F.scaled_dot_product_attention(query.double(), key.double(), value.double())
    with ShortAttention():
        quick = F.scaled_dot_product_attention(query, key, value)
        scaled = F.scaled_dot_product_attention(query, key, value, scale=0.1)
        masked = F.scaled_dot_product_attention(
            query, key, value, attn_mask=torch.ones(17, 17, dtype=torch.bool).tril()
        )
    torch.testing.assert_close(quick.double(), exact, atol=2e-2, rtol=2e-2)
    assert (scaled - quick).abs().max() > 0.05
    torch.testing.assert_close(masked[:, :, 0], value[:, :, 0], atol=1e-2, rtol=1e-2)


def test_rows_are_the_same_beside_the_quick_attention() -> None:
    encoder = small_encoder("vit_tiny_patch16_224", 64)
    _, exact_BLP = encoder.forward_with_attention(images(64))
    with autocast("bf16", torch.device("cpu")):
        _, rows_BLP = encoder.forward_with_attention(images(64))
    assert rows_BLP.dtype == torch.float32 and rows_BLP.shape == exact_BLP.shape
    torch.testing.assert_close(rows_BLP, exact_BLP, atol=5e-3, rtol=0.1)


def of_transformers(name: str) -> str:
    """A name of timm as the library transformers has it."""
    for old, new in (
        ("cls_token", "embeddings.cls_token"),
        ("pos_embed", "embeddings.position_embeddings"),
        ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
        ("blocks.", "encoder.layer."),
        ("attn.proj", "attention.output.dense"),
        ("norm1", "layernorm_before"),
        ("norm2", "layernorm_after"),
        ("mlp.fc1", "intermediate.dense"),
        ("mlp.fc2", "output.dense"),
    ):
        name = name.replace(old, new)
    return re.sub("^norm", "layernorm", name)


@pytest.mark.parametrize(
    "prefix", ["", "module.", "backbone.", "student.backbone.", "model.", "model.vision_model.vit."]
)
@pytest.mark.parametrize("library", ["timm", "transformers"])
def test_weights_of_other_programs_are_read(tmp_path: Path, prefix: str, library: str) -> None:
    whole: Any = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=0)
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in whole.state_dict().items():
        if library == "transformers" and ".attn.qkv." in name:
            for part, third in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                new = of_transformers(name).replace("attn.qkv", f"attention.attention.{part}")
                tensors[prefix + new] = third.clone()
        else:
            tensors[prefix + (of_transformers(name) if library == "transformers" else name)] = (
                tensor
            )
    save_file(
        {**tensors, f"{prefix}pooler.dense.weight": torch.zeros(3)}, tmp_path / "w.safetensors"
    )
    if library == "timm":
        save_file({**tensors, "optimiser.step": torch.zeros(1)}, tmp_path / "w.safetensors")
    if library == "timm" and not prefix:
        save_file(tensors, tmp_path / "w.safetensors")
    encoder = build_encoder("vit_tiny_patch16_224", image_size=224, args={"depth": 2})
    load_weights(encoder, tmp_path / "w.safetensors")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(encoder.trunk.state_dict()[name], tensor), name


def test_weights_of_two_encoders_are_refused(tmp_path: Path) -> None:
    whole: Any = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=0)
    tensors = whole.state_dict()
    pair = {
        f"{who}.{name}": tensors[name].clone() for who in ("student", "teacher") for name in tensors
    }
    save_file(pair, tmp_path / "w.safetensors")
    encoder = build_encoder("vit_tiny_patch16_224", image_size=224, args={"depth": 2})
    with pytest.raises(ValueError, match=r"several encoders, 'student\.', 'teacher\.'; save one"):
        load_weights(encoder, tmp_path / "w.safetensors")
