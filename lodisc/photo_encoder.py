"""`load`: an encoder that takes photographs as they come, from a run, a weights file or timm.

Axes: N photographs, B batch, S side in pixels, D feature, L layers, P patches.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from lodisc.config import DEFAULT_FIT, Fit
from lodisc.data.decode import Unreadable, decode
from lodisc.data.loader import means_of, most_pixels
from lodisc.data.photo import read_file
from lodisc.data.pixels import to_rgb
from lodisc.data.views import whole_view, whole_views
from lodisc.device import autocast, pick_device
from lodisc.encoders import (
    build_encoder,
    load_encoder,
    load_weights,
    native_size,
)
from lodisc.errors import UserError
from lodisc.method.encoder import Encoder
from lodisc.method.masking import attention_map
from lodisc.run import Run
from lodisc.weight_files import require_loadable, what_to_give

Photograph = str | Path | Image.Image | np.ndarray[Any, Any] | Tensor
"""A path, a PIL image, bytes [H, W, 3] or [H, W] as an array, or bytes [3, S, S] as a tensor."""


class PhotoEncoder(nn.Module):
    """A frozen encoder for photographs: with size, crop, normalisation, device and precision.

    As a plain `nn.Module` it maps bytes or normalised floats [B, 3, S, S] to features [B, D].
    """

    def __init__(
        self, encoder: Encoder, *, name: str, device: str = "auto", run: Path | None = None
    ) -> None:
        """`run` is the folder of the run that it is of."""
        super().__init__()
        self.device = pick_device(device)
        self.encoder = encoder.to(self.device).eval().requires_grad_(False)
        self.name, self.run = name, run

    @property
    def image_size(self) -> int:
        return self.encoder.image_size

    @property
    def fit(self) -> Fit:
        """How a whole photograph becomes square."""
        return cast(Fit, self.encoder.fit)

    @property
    def dim(self) -> int:
        return self.encoder.dim

    def forward(self, images_B3SS: Tensor) -> Tensor:
        return self.encoder(images_B3SS)

    @torch.inference_mode()
    def features(self, images_B3SS: Tensor) -> Tensor:
        """The features [B, D] in fp32 on the CPU of centred views, bytes [B, 3, S, S]."""
        with autocast("auto", self.device):
            return self.encoder(images_B3SS.to(self.device, non_blocking=True)).float().cpu()

    def embed(self, images: Sequence[Photograph], *, batch_size: int = 64) -> Tensor:
        """The [CLS] features [N, D] of photographs, fp32 on the CPU; not of unit length.

        Raises `Unreadable`, a `UserError` that names the file, for a photograph that can't be read.
        """
        features = []
        for first in range(0, len(images), batch_size):
            views = [self._whole_views(image) for image in images[first : first + batch_size]]
            features.append(
                means_of(self.features(torch.cat(views)), [len(several) for several in views])
            )
        return torch.cat(features) if features else torch.empty(0, self.dim)

    @torch.inference_mode()
    def attention(
        self, images: Sequence[Photograph], *, fusion: str = "product", batch_size: int = 16
    ) -> Tensor:
        """The fused attention [N, rows, columns] that [CLS] pays to the patches, fp32 on the CPU.

        Each map sums to 1. The product over L layers is shown by its L-th root.
        """
        maps = []
        for first in range(0, len(images), batch_size):
            with autocast("auto", self.device):
                _, rows_BLP = self.encoder.forward_with_attention(
                    self._views(images[first : first + batch_size]).to(self.device)
                )
            map_BP = attention_map(rows_BLP, fusion=fusion)
            maps.append(map_BP.unflatten(1, self.encoder.grid).float().cpu())
        return torch.cat(maps) if maps else torch.empty(0, *self.encoder.grid)

    @torch.inference_mode()
    def patch_features(self, images: Sequence[Photograph], *, batch_size: int = 16) -> Tensor:
        """The unit features [N, rows, columns, D] of patches of centre views, fp32 on the CPU."""
        features = []
        for first in range(0, len(images), batch_size):
            with autocast("auto", self.device):
                patches_BPD = self.encoder.patch_features(
                    self._views(images[first : first + batch_size]).to(self.device)
                )
            features.append(
                F.normalize(patches_BPD.float(), dim=2).unflatten(1, self.encoder.grid).cpu()
            )
        return torch.cat(features) if features else torch.empty(0, *self.encoder.grid, self.dim)

    def _views(self, images: Sequence[Photograph]) -> Tensor:
        """One view of each photograph."""
        return torch.stack([self._view(image) for image in images])

    def _view(self, image: Photograph) -> Tensor:
        photograph = self._photograph(image)
        if isinstance(photograph, Tensor):
            return photograph
        return whole_view(photograph, image_size=self.image_size, fit=self.fit)

    def _whole_views(self, image: Photograph) -> Tensor:
        photograph = self._photograph(image)
        if isinstance(photograph, Tensor):
            return photograph[None]
        return whole_views(photograph, image_size=self.image_size, fit=self.fit)

    def _photograph(self, image: Photograph) -> Image.Image | Tensor:
        """A photograph in RGB, or a view as it is."""
        if isinstance(image, Tensor):
            expected = (3, self.image_size, self.image_size)
            if image.shape != expected or image.dtype != torch.uint8:
                raise UserError(
                    f"a tensor must hold bytes of shape {expected}, "
                    f"not {image.dtype} of {tuple(image.shape)}"
                )
            return image
        if isinstance(image, str | Path):
            try:
                return decode(read_file(Path(image)), at_least=most_pixels(self.image_size))
            except Unreadable as error:
                raise Unreadable(f"{image}: {error}") from None
        return to_rgb(Image.fromarray(image) if isinstance(image, np.ndarray) else image)


def load(
    source: str | Path,
    *,
    momentum: bool = False,
    encoder: str | None = None,
    image_size: int | None = None,
    args: dict[str, int] | None = None,
    fit: Fit | None = None,
    device: str = "auto",
) -> PhotoEncoder:
    """The frozen encoder of a run, of `timm:NAME` with pretrained weights, or of a weights file.

    Of a run it is the student, or with `momentum` the momentum encoder. A weights file needs
    `encoder`, the name of its timm model. `image_size` is for timm and weights files; its default
    is the model's own. So are `args`, for the timm constructor. `fit` is how photographs are made
    square, by default as the run has it, else by tiles. Raises `UserError` for anything else.
    """
    if fit is not None and fit not in get_args(Fit):
        raise UserError(f"the fit {fit} is none of {', '.join(get_args(Fit))}")
    photo_encoder = _load(source, momentum, encoder, image_size, args, device)
    if fit is not None:
        photo_encoder.encoder.fit = fit
    return photo_encoder


def _load(
    source: str | Path,
    momentum: bool,
    encoder: str | None,
    image_size: int | None,
    args: dict[str, int] | None,
    device: str,
) -> PhotoEncoder:
    path = Path(source)
    if str(source).startswith("timm:"):
        name = str(source).removeprefix("timm:")
        size = image_size or native_size(name)
        model = build_encoder(name, image_size=size, args=args, pretrained=True)
        model.fit = DEFAULT_FIT
        return PhotoEncoder(model, name=name, device=device)
    if path.suffix == ".safetensors":
        if encoder is None:
            raise UserError(f"{path} holds weights alone; name their timm model with --encoder")
        size = image_size or native_size(encoder)
        model = build_encoder(encoder, image_size=size, args=args)
        load_weights(model, path)
        model.fit = DEFAULT_FIT
        return PhotoEncoder(model, name=path.stem, device=device)
    if path.is_file():
        require_loadable(path, model=encoder)
    run = Run(path)
    if not run.exists and (advice := what_to_give(path)):
        raise UserError(advice)
    if not run.exists:
        raise UserError(f"{source} is neither a run, a .safetensors file nor timm:NAME")
    folder = run.momentum if momentum else run.encoder
    if not folder.is_dir():
        raise UserError(f"{path} has no encoder yet; its training has not reached a checkpoint")
    return PhotoEncoder(load_encoder(folder), name=path.name, device=device, run=path)


def load_start(run: str | Path, *, device: str = "auto") -> PhotoEncoder:
    """The encoder that a run began with, untouched."""
    return PhotoEncoder(load_encoder(Run.open(run).start), name="untouched start", device=device)


def load_start_at_own_size(run: str | Path, *, device: str = "auto") -> PhotoEncoder | None:
    """The start of a run at the image size that its model was made for, or None.

    None where the run has that size, or began with random weights. The weights are read
    again from where the run had them. Raises `UserError` if they are gone or others by now.
    """
    settings = Run.open(run).config["settings"]
    size = native_size(settings["encoder"])
    if settings["init"] == "none" or settings["image_size"] == size:
        return None
    from_timm = settings["init"] == "timm"
    source = f"timm:{settings['encoder']}" if from_timm else settings["init"]
    name = None if from_timm else settings["encoder"]
    start = load_start(run, device=device)
    args, fit = settings["encoder_args"], start.fit
    at_run_size, at_own_size = (
        load(source, encoder=name, image_size=side, args=args, fit=fit, device=device)
        for side in (settings["image_size"], size)
    )
    started = start.state_dict()
    if any(not tensor.equal(started[key]) for key, tensor in at_run_size.state_dict().items()):
        raise UserError(f"{source} does not hold the weights any more that {run} began with")
    at_own_size.name = f"untouched start at {size} pixels"
    return at_own_size


def require_finite(vectors: Tensor, keys: Sequence[str]) -> None:
    """Raise a `UserError` that names the first photograph whose feature is not finite."""
    bad = (~vectors.isfinite().all(1)).nonzero().flatten().tolist()
    if bad:
        raise UserError(
            f"the feature of {keys[bad[0]]} is not finite: the encoder's weights are damaged; "
            "use an earlier checkpoint"
        )
