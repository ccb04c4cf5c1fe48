"""Files of weights: what lodisc reads, and what to do with the rest."""

import re
import shlex
import sys
from itertools import count
from pathlib import Path

from torch import Tensor

from lodisc.errors import UserError
from lodisc.tensors import DamagedTensors, load_tensors

_PICKLED = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".pth.tar")
_PIECE = re.compile(r"(.+)-\d+(-of-0*([1-9]\d*)\.safetensors)")
_STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the weights; run  git lfs pull"),
    (b"<", "a web page, not the weights; download them again, signed in where that is needed"),
    (b"\x1f\x8b", "packed by gzip; unpack it with  gunzip"),
    (b"BZh", "packed by bzip2; unpack it with  bunzip2"),
    (b"\xfd7zXZ\0", "packed by xz; unpack it with  unxz"),
    (b"\x89HDF", "HDF5, as Keras writes; give weights for PyTorch"),
    (b"GGUF", "GGUF, for llama.cpp; give weights for PyTorch"),
    (b"PK", "a ZIP archive; unpack it"),
)
_HEAD = 512  # bytes


def read_weights(path: Path, *, model: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file for a timm model.

    A `UserError` names the file and what to do.
    """
    if path.is_dir():
        raise UserError(
            what_to_give(path) or f"{path} is a folder; give the .safetensors file in it"
        )
    if not path.is_file():
        raise UserError(f"{path}: no such weights file")
    require_loadable(path, model=model)
    try:
        return load_tensors(path)
    except DamagedTensors as error:
        advice = (
            "it was cut short or damaged: copy or download it again"
            if _has_header(_head(path))
            else "give weights of PyTorch"
        )
        raise UserError(f"{path} is not a readable safetensors file ({error}); {advice}") from None


def require_loadable(path: Path, *, model: str | None) -> None:
    """Raise a `UserError` for a file that is not whole safetensors, by its name and start."""
    head = _head(path)
    if not head:
        raise UserError(f"{path} is empty; copy or download it again")
    if not _has_header(head):
        _require_no_other(path, head, model=model)
    piece = _PIECE.fullmatch(path.name)
    if piece and int(piece[3]) > 1:
        code = (
            "import sys, safetensors.torch as s; "
            "s.save_file({k: v for f in sys.argv[2:] for k, v in s.load_file(f).items()}, "
            "sys.argv[1])"
        )
        first, whole = path.with_name(piece[1]), _free_name(path, piece[1])
        raise UserError(
            f"{path} is one of {int(piece[3])} pieces; join them once:  "
            f"{shlex.join([sys.executable, '-c', code, str(whole)])} "
            f"{shlex.quote(str(first))}-*{piece[2]}"
        )


def what_to_give(folder: Path) -> str | None:
    """What to say of a folder in the place of a weights file; None if it holds no weights."""
    if first := min(folder.glob("*.safetensors"), default=None):
        return f"{folder} is a folder; give the .safetensors file in it: {first}"
    pickled = min((path for path in folder.glob("*") if _is_pickled(path)), default=None)
    return None if pickled is None else _how_to_convert(pickled)


def _require_no_other(path: Path, head: bytes, *, model: str | None) -> None:
    """Raise a `UserError` for a file of another kind, if it is known."""
    if head.startswith(b"PK") and b".npy" in head:
        raise UserError(_how_to_convert_arrays(path, model or "MODEL"))
    kind = next((kind for start, kind in _STARTS if head.lstrip().startswith(start)), None)
    is_pickle = head.startswith(b"\x80") or (head.startswith(b"PK") and b"/data.pkl" in head)
    if is_pickle or (kind is None and _is_pickled(path)):
        raise UserError(_how_to_convert(path))
    if kind is not None:
        raise UserError(f"{path} is not a readable safetensors file: it is {kind}")


def _how_to_convert(path: Path) -> str:
    """What to say of a pickled checkpoint."""
    words = [sys.executable, "-m", "lodisc.pickled", str(path), str(_converted(path))]
    return (
        f"{path} is pickled, which may run code, so lodisc does not load it; "
        f"convert it once:  {shlex.join(words)}"
    )


def _how_to_convert_arrays(path: Path, model: str) -> str:
    """What to say of weights in NumPy's format, as Google has them."""
    code = (
        "import sys, timm, safetensors.torch as s; "
        "m = timm.create_model(sys.argv[1], num_classes=0); m.load_pretrained(sys.argv[2]); "
        "s.save_file(m.state_dict(), sys.argv[3])"
    )
    words = [sys.executable, "-c", code, model, str(path), str(_converted(path))]
    return f"{path} holds arrays of NumPy, which timm reads; convert it once:  {shlex.join(words)}"


def _converted(path: Path) -> Path:
    """Where the converted file goes."""
    return _free_name(path, re.sub(r"(\.pth)?\.\w+$", "", path.name))


def _free_name(path: Path, stem: str) -> Path:
    """A safetensors file beside `path` that is not there yet."""
    names = (f"{stem}{f'-{number}' if number > 1 else ''}.safetensors" for number in count(1))
    return next(new for name in names if not (new := path.with_name(name)).exists())


def _is_pickled(path: Path) -> bool:
    return path.name.lower().endswith(_PICKLED)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as error:
        raise UserError(f"{path} can't be read ({error.strerror})") from None


def _has_header(head: bytes) -> bool:
    """Whether a file begins as safetensors do: eight bytes of length, and JSON."""
    return head[8:9] == b"{"
