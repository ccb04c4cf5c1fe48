"""Weights from other programs and hubs: what is read, and what is said of the rest."""

import argparse
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from photos import collection
from runs import run_command
from safetensors.torch import load_file, save_file
from torch import Tensor

from lodisc.encoders import build_encoder, load_weights
from lodisc.errors import UserError
from lodisc.method.encoder import Encoder
from lodisc.photo_encoder import load


def model() -> Any:
    torch.manual_seed(1)
    return timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=0)


def small() -> Encoder:
    return build_encoder("vit_tiny_patch16_224", image_size=224, args={"depth": 2})


def equal(encoder: Encoder, expected: Mapping[str, Tensor]) -> bool:
    own = encoder.trunk.state_dict()
    return all(torch.equal(own[name], tensor) for name, tensor in expected.items())


def refusal(path: Path) -> str:
    """Why a weights file is refused, in one line."""
    with pytest.raises(UserError) as refused:
        load_weights(small(), path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@contextmanager
def refusing_proxy(status: str) -> Iterator[str]:
    """The address of a proxy that answers every request with this status."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    "status", ["403 Forbidden", "407 Proxy Authentication Required", "421 Misdirected Request"]
)
def test_a_proxy_that_refuses_a_download_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    photos = collection(tmp_path / "photos")
    for name in ("NO_PROXY", "no_proxy", "HF_ENDPOINT", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    with refusing_proxy(status) as address:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, address)
        cases: list[tuple[list[Any], dict[str, Any]]] = [
            (["embed", "timm:vit_tiny_patch16_224", photos, "--out", tmp_path / "e"], {}),
            (["train", photos, "--out", tmp_path / "run"], {"init": "timm"}),
        ]
        for words, settings in cases:
            code, _, messages = run_command(*words, **settings)
            last = messages.splitlines()[-1]
            assert code == 1 and "Traceback" not in messages, messages
            assert last.startswith(f"lodisc {words[0]}: could not download the pretrained weights")
            for part in (status, "a proxy refused", "HTTPS_PROXY", "NO_PROXY", "a file of weights"):
                assert part in last


class Lost(Exception):
    """What a library of its own kind may raise."""


@pytest.mark.parametrize("error", [KeyError("etag"), OSError("away"), Lost("away")])
def test_whatever_a_hub_raises_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(timm, "create_model", away)
    with pytest.raises(UserError, match="could not download the pretrained weights of vit_tiny"):
        load("timm:vit_tiny_patch16_224")


@pytest.mark.parametrize(
    ("name", "nest"),
    [
        ("w.bin", ""),
        ("w.pth", "model"),
        ("it's w.ckpt", "state_dict"),
        ("w.pth.tar", "teacher"),
        ("w.pt", "student"),
        ("w.safetensors", "module"),
    ],
)
def test_the_printed_command_converts_a_pickled_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, nest: str
) -> None:
    tensors = model().state_dict()
    (tmp_path / "of others").mkdir()
    monkeypatch.chdir(tmp_path)
    path = Path("of others", name)
    about = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "optimizer": {"state": {}}}
    torch.save({nest: tensors, **about} if nest else tensors, path)
    message = refusal(path)
    assert "is pickled" in message
    printed = message.split("convert it once:  ")[1]
    subprocess.run(["bash", "-c", printed], check=True)
    new = Path(shlex.split(printed)[-1])
    assert new.parent == path.parent and new != path and new.suffix == ".safetensors"
    encoder = small()
    load_weights(encoder, new)
    assert equal(encoder, tensors)


def test_an_old_pickle_of_another_name_is_told_apart_from_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.save(model().state_dict(), path, _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:1] == b"\x80" and "is pickled" in refusal(path)
    path.write_bytes(b"nothing of the kind")
    assert "is not a readable safetensors file" in refusal(path)
    for name in ("w.pth", "W.PTH.TAR"):
        torch.save({}, tmp_path / name)
        with pytest.raises(UserError, match="is pickled"):
            load(tmp_path / name)


def test_the_decoder_of_a_masked_autoencoder_is_left_out(tmp_path: Path) -> None:
    tensors = model().state_dict()
    decoder = {
        "mask_token": torch.zeros(1, 1, 64),
        "decoder_pos_embed": torch.zeros(1, 197, 64),
        "decoder_embed.weight": torch.zeros(64, 192),
        "decoder_blocks.0.norm1.weight": torch.zeros(64),
        "decoder_pred.bias": torch.zeros(768),
    }
    save_file({**tensors, **decoder}, tmp_path / "w.safetensors")
    encoder = small()
    load_weights(encoder, tmp_path / "w.safetensors")
    assert equal(encoder, tensors)


def of_torchvision(name: str) -> str:
    """A name of timm as torchvision has it."""
    for old, new in (
        ("cls_token", "class_token"),
        ("pos_embed", "encoder.pos_embedding"),
        ("patch_embed.proj", "conv_proj"),
        ("blocks.", "encoder.layers.encoder_layer_"),
        ("attn.qkv.", "self_attention.in_proj_"),
        ("attn.proj", "self_attention.out_proj"),
        ("norm1", "ln_1"),
        ("norm2", "ln_2"),
        ("mlp.fc1", "mlp.0"),
        ("mlp.fc2", "mlp.3"),
    ):
        name = name.replace(old, new)
    return f"encoder.ln{name.removeprefix('norm')}" if name.startswith("norm.") else name


@pytest.mark.parametrize(("first", "second"), [("0", "3"), ("linear_1", "linear_2")])
def test_weights_of_torchvision_are_read(tmp_path: Path, first: str, second: str) -> None:
    tensors = model().state_dict()
    theirs = {
        of_torchvision(name).replace("mlp.0", f"mlp.{first}").replace("mlp.3", f"mlp.{second}"): t
        for name, t in tensors.items()
    }
    save_file({**theirs, "heads.head.bias": torch.zeros(7)}, tmp_path / "w.safetensors")
    encoder = small()
    load_weights(encoder, tmp_path / "w.safetensors")
    assert equal(encoder, tensors)
    save_file({**theirs, "encoder.layers.x": torch.zeros(7)}, tmp_path / "w.safetensors")
    assert "of the library torchvision, but encoder.layers.x" in refusal(tmp_path / "w.safetensors")


def test_a_piece_of_weights_is_refused_with_how_to_join_it(tmp_path: Path) -> None:
    tensors = model().state_dict()
    names, folder = sorted(tensors), tmp_path / "two pieces"
    folder.mkdir()
    pieces = [folder / f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for piece, part in zip(pieces, (names[:9], names[9:]), strict=True):
        save_file({name: tensors[name] for name in part}, piece)
    message = refusal(pieces[1])
    assert "is one of 2 pieces; join them" in message
    subprocess.run(["bash", "-c", message.split("once:  ")[1]], check=True)
    assert load_file(folder / "model.safetensors").keys() == tensors.keys()
    encoder = small()
    load_weights(encoder, folder / "model.safetensors")
    assert equal(encoder, tensors)
    alone = folder / "model-00001-of-00001.safetensors"
    save_file(tensors, alone)
    load_weights(small(), alone)


def test_a_folder_of_weights_is_refused_with_the_file_to_give(tmp_path: Path) -> None:
    photos, folder = collection(tmp_path / "photos"), tmp_path / "hub"
    folder.mkdir()
    assert "is a folder; give the .safetensors file in it" in refusal(folder)
    save_file(model().state_dict(), folder / "model.safetensors")
    cases: list[tuple[list[Any], dict[str, Any]]] = [
        (["train", photos, "--out", tmp_path / "run"], {"init": folder}),
        (["embed", folder, photos, "--out", tmp_path / "e"], {}),
    ]
    for words, settings in cases:
        code, _, messages = run_command(*words, **settings)
        assert code == 1 and f"is a folder; give the .safetensors file in it: {folder}" in messages
