"""Weights from other programs and hubs: what is read, and what is said of the rest."""

import argparse
import gzip
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
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
from lodisc.pickled import convert


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
    about = {
        "epoch": np.float64(3),
        "args": argparse.Namespace(lr=0.1, out=Path("runs")),
        "random": np.random.RandomState(0).get_state(),
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}},
    }
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


class Settings(dict[str, Any]):
    """A dict of another class, as programs that train keep their settings."""


def nested(content: Any, *, depth: int) -> Any:
    return nested({"inner": content}, depth=depth - 1) if depth else content


WEIGHTS = {"a": torch.ones(2), "b": torch.ones(2)}
OF_ITSELF: dict[str, Any] = {"model": WEIGHTS}
OF_ITSELF["parent"] = OF_ITSELF
OTHERS = {name: torch.zeros(2) for name in "abc"}


@pytest.mark.parametrize(
    "content",
    [
        {"student": OTHERS, "teacher": WEIGHTS},
        {"encoder": OTHERS, "target_encoder": WEIGHTS},
        {"model": OTHERS, "model_ema": {"module": WEIGHTS}},
        {"state_dict": OTHERS, "state_dict_ema": WEIGHTS},
        {"params": WEIGHTS, "out": Path("runs"), "loss": np.float64(3)},
        [{"head": {"c": torch.zeros(2)}, "net": WEIGHTS}],
        {"model": defaultdict[str, Any](list, WEIGHTS), "best": {"c": torch.zeros(2)}},
        {"hyper": Settings(lr=0.1), "model": Settings(WEIGHTS)},
        {"model": {**WEIGHTS, 0: torch.zeros(2)}},
        OF_ITSELF,
        nested(WEIGHTS, depth=200),
        {"model": WEIGHTS, "optimizer": {"step": torch.eye(3).to_sparse()}},
    ],
)
@pytest.mark.parametrize("as_zip", [True, False])
def test_of_a_checkpoint_the_averaged_or_most_weights_are_converted(
    tmp_path: Path, content: Any, as_zip: bool
) -> None:
    about = {"args": argparse.Namespace(out=Path("runs")), "loss": np.float64(3)}
    content = [content, about]
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=as_zip)
    convert(tmp_path / "w.pth", tmp_path / "w.safetensors")
    assert load_file(tmp_path / "w.safetensors").keys() == WEIGHTS.keys()


@pytest.mark.parametrize("content", [torch.nn.Linear(2, 2), torch.zeros(3), {"epoch": 3}])
def test_a_checkpoint_without_a_dict_of_tensors_gives_no_file(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(UserError, match="holds no dict of tensors; save"):
        convert(tmp_path / "w.pth", tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_a_checkpoint_that_cannot_be_converted_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-99])
    command = refusal(path).split("convert it once:  ")[1]
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert done.returncode == 1 and f"{path} can't be read" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("tensor", [torch.eye(3).to_sparse(), torch.empty(3, device="meta")])
def test_weights_that_cannot_be_converted_are_named(tmp_path: Path, tensor: Tensor) -> None:
    torch.save({"a.weight": tensor}, tmp_path / "w.pth")
    with pytest.raises(UserError, match=r"a\.weight is sparse, quantised or without numbers"):
        convert(tmp_path / "w.pth", tmp_path / "w.safetensors")


@pytest.mark.parametrize("as_zip", [True, False])
def test_what_needs_code_of_its_own_is_said_in_plain_words(tmp_path: Path, as_zip: bool) -> None:
    path = tmp_path / "w.pth"
    torch.save({"model": WEIGHTS, "of": os.getcwd}, path, _use_new_zipfile_serialization=as_zip)
    with pytest.raises(UserError, match=r"^[ -~]*only code of its own can read[ -~]*$") as refused:
        convert(path, tmp_path / "w.safetensors")
    assert "weights_only" not in str(refused.value)


def test_a_conversion_overwrites_nothing(tmp_path: Path) -> None:
    path, taken = tmp_path / "w.pth", tmp_path / "w.safetensors"
    torch.save(WEIGHTS, path)
    taken.write_bytes(b"of others")
    with pytest.raises(UserError, match=r"w\.safetensors is there already"):
        convert(path, taken)
    command = refusal(path).split("convert it once:  ")[1]
    subprocess.run(["bash", "-c", command], check=True)
    assert load_file(tmp_path / "w-2.safetensors").keys() == WEIGHTS.keys()
    assert taken.read_bytes() == b"of others"
    assert "w-3.safetensors" in refusal(path)


@pytest.mark.parametrize(("words", "message"), [([], "usage"), (["w.pth", "no/w"], "no/")])
def test_a_wrong_call_of_the_conversion_is_one_line(
    tmp_path: Path, words: list[str], message: str
) -> None:
    torch.save(WEIGHTS, tmp_path / "w.pth")
    command = [sys.executable, "-m", "lodisc.pickled", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr
    assert len(done.stderr.splitlines()) == 1


class Harmful:
    """Runs a program where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.call, (["touch", str(self.mark)],)


def test_no_code_of_a_checkpoint_runs(tmp_path: Path) -> None:
    torch.save({"model": WEIGHTS, "extra": Harmful(tmp_path / "mark")}, tmp_path / "w.pth")
    convert(tmp_path / "w.pth", tmp_path / "w.safetensors")
    assert not (tmp_path / "mark").exists() and (tmp_path / "w.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("w.safetensors", b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        ("w.safetensors", b"\n<!DOCTYPE html><html>gated</html>", "a web page, not the weights"),
        ("w.pth", b"<html>", "a web page, not the weights"),
        ("w.safetensors", b"", "is empty; copy or download it again"),
        ("w.safetensors.gz", gzip.compress(b"weights", mtime=0), "unpack it with  gunzip"),
        ("w.h5", b"\x89HDF\r\n\x1a\n" + bytes(9), "HDF5, as Keras writes"),
        ("w.gguf", b"GGUF" + bytes(99), "GGUF, for llama.cpp"),
        ("w.zip", b"PK\x03\x04" + bytes(99), "a ZIP archive"),
    ],
)
def test_a_file_of_another_kind_is_told_by_its_start(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert words in refusal(path)
    with pytest.raises(UserError, match=words):
        load(path, encoder="vit_tiny_patch16_224")


def test_half_a_download_is_told_from_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.ones(99)}, path)
    path.write_bytes(path.read_bytes()[:-9])
    assert "it was cut short or damaged: copy or download it again" in refusal(path)


def arrays_of_google(tensors: Mapping[str, Tensor], *, depth: int) -> dict[str, Any]:
    """The weights of a vision transformer as Google's file has them."""
    arrays: dict[str, Any] = {
        "cls": tensors["cls_token"],
        "embedding/kernel": tensors["patch_embed.proj.weight"].permute(2, 3, 1, 0),
        "embedding/bias": tensors["patch_embed.proj.bias"],
        "Transformer/posembed_input/pos_embedding": tensors["pos_embed"],
        "Transformer/encoder_norm/scale": tensors["norm.weight"],
        "Transformer/encoder_norm/bias": tensors["norm.bias"],
    }
    for number in range(depth):
        own, theirs = f"blocks.{number}.", f"Transformer/encoderblock_{number}/"
        attention = f"{theirs}MultiHeadDotProductAttention_1/"
        for norm, name in (("norm1", "LayerNorm_0"), ("norm2", "LayerNorm_2")):
            arrays[f"{theirs}{name}/scale"] = tensors[f"{own}{norm}.weight"]
            arrays[f"{theirs}{name}/bias"] = tensors[f"{own}{norm}.bias"]
        weights, biases = (tensors[f"{own}attn.qkv.{kind}"].chunk(3) for kind in ("weight", "bias"))
        for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
            arrays[f"{attention}{name}/kernel"] = weight.T.unflatten(1, (3, 64))
            arrays[f"{attention}{name}/bias"] = bias.unflatten(0, (3, 64))
        projection = tensors[f"{own}attn.proj.weight"]
        arrays[f"{attention}out/kernel"] = projection.T.unflatten(0, (3, 64))
        arrays[f"{attention}out/bias"] = tensors[f"{own}attn.proj.bias"]
        for layer, name in (("fc1", "Dense_0"), ("fc2", "Dense_1")):
            arrays[f"{theirs}MlpBlock_3/{name}/kernel"] = tensors[f"{own}mlp.{layer}.weight"].T
            arrays[f"{theirs}MlpBlock_3/{name}/bias"] = tensors[f"{own}mlp.{layer}.bias"]
    return arrays


def test_the_printed_command_converts_arrays_of_google(tmp_path: Path) -> None:
    tensors = timm.create_model("vit_tiny_patch16_224", num_classes=0).state_dict()
    arrays = arrays_of_google(tensors, depth=12)
    np.savez(tmp_path / "w.npz", **{name: array.numpy() for name, array in arrays.items()})
    message = refusal(tmp_path / "w.npz")
    assert "holds arrays of NumPy, which timm reads" in message
    with pytest.raises(UserError, match="arrays of NumPy"):
        load(tmp_path / "w.npz")
    subprocess.run(["bash", "-c", message.split("convert it once:  ")[1]], check=True)
    converted = load_file(tmp_path / "w.safetensors")
    assert converted.keys() == tensors.keys()
    assert all(torch.equal(converted[name], tensors[name]) for name in tensors)


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
    (folder / "pytorch_model.bin").write_bytes(b"PK")
    assert "convert it once" in refusal(folder) and "pytorch_model.bin" in refusal(folder)
    with pytest.raises(UserError, match=r"pytorch_model\.bin is pickled"):
        load(folder)
    save_file(model().state_dict(), folder / "model.safetensors")
    cases: list[tuple[list[Any], dict[str, Any]]] = [
        (["train", photos, "--out", tmp_path / "run"], {"init": folder}),
        (["embed", folder, photos, "--out", tmp_path / "e"], {}),
    ]
    for words, settings in cases:
        code, _, messages = run_command(*words, **settings)
        assert code == 1 and f"is a folder; give the .safetensors file in it: {folder}" in messages
