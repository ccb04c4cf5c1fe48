"""Tensors in safetensors files, with a digest by which damage is noticed."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

DIGEST = "lodisc.digest"


class DamagedTensors(ValueError):
    """A file whose tensors cannot be believed; its text is the reason."""


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, *, notes: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Write a safetensors file, the same bytes for the same tensors; returns their digest.

    `notes` are kept in its header. Raises `OSError` when the disk is full.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    digest = _digest(plain)
    try:
        save_file(plain, path, metadata={"format": "pt", DIGEST: digest, **notes})
        _sort_metadata(path)
    except SafetensorError as error:
        raise OSError(
            f"{path} could not be written ({error}); free some room, "
            "then run the same command again"
        ) from None
    return digest


def load_tensors(path: Path, *, wanted: str | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, in memory of their own.

    Raises `DamagedTensors` for another kind of file, and if they are not those that `save_tensors`
    wrote, or not those with the digest `wanted`; files of other programs have no digest.
    """
    if path.exists() and not path.is_file():
        raise DamagedTensors("it is not a file")
    try:
        with safe_open(path, framework="pt") as file:
            digest = (file.metadata() or {}).get(DIGEST)
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise DamagedTensors(str(error).splitlines()[0]) from None
    digests = {text for text in (digest, wanted) if text is not None}
    if digests and digests != {_digest(tensors)}:
        raise DamagedTensors("its content has changed since it was written")
    return tensors


def notes_of(path: Path) -> dict[str, str]:
    """What the header of a safetensors file holds besides the places of the tensors."""
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def _sort_metadata(path: Path) -> None:
    """The metadata in order: safetensors writes it in another order each time."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        before = file.read(size)
        header = json.loads(before)
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        after = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
        assert len(after) == size
        file.seek(8)
        file.write(after)


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = blake2b(digest_size=16)
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
