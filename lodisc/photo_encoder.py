"""`load`: an encoder that takes photographs as they come, from a run, a weights file or timm.

Axes: N photographs, B batch, S side in pixels, D feature, L layers, P patches.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from lodisc.data.decode import Unreadable, decode, to_rgb
from lodisc.data.loader import most_pixels
from lodisc.data.views import centre_view
from lodisc.device import autocast, pick_device
from lodisc.encoders import build_encoder, load_encoder, load_weights, native_size
from lodisc.errors import UserError
from lodisc.method.encoder import Encoder
from lodisc.method.masking import attention_map
from lodisc.run import Run

Photograph = str | Path | Image.Image | np.ndarray[Any, Any] | Tensor
"""A path, a PIL image, bytes [H, W, 3] or [H, W] as an array, or bytes [3, S, S] as a tensor."""


class PhotoEncoder(nn.Module):
    """A frozen encoder for photographs: with size, crop, normalisation, device and precision.

    As a plain `nn.Module` it maps bytes or normalised floats [B, 3, S, S] to features [B, D].
    """

    def __init__(self, encoder: Encoder, *, name: str, device: str = "auto") -> None:
        super().__init__()
        self.device = pick_device(device)
        self.encoder = encoder.to(self.device).eval().requires_grad_(False)
        self.name = name

    @property
    def image_size(self) -> int:
        return self.encoder.image_size

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
        batches = [
            self._views(images[first : first + batch_size])
            for first in range(0, len(images), batch_size)
        ]
        return (
            torch.cat([self.features(views) for views in batches])
            if batches
            else torch.empty(0, self.dim)
        )

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
        return torch.stack([self._view(image) for image in images])

    def _view(self, image: Photograph) -> Tensor:
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
                image = decode(Path(image).read_bytes(), at_least=most_pixels(self.image_size))
            except (Unreadable, OSError) as error:
                raise Unreadable(f"{image}: {error}") from None
        elif isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        return centre_view(to_rgb(image), image_size=self.image_size)


def load(
    source: str | Path,
    *,
    momentum: bool = False,
    encoder: str | None = None,
    image_size: int | None = None,
    args: dict[str, int] | None = None,
    device: str = "auto",
) -> PhotoEncoder:
    """The frozen encoder of a run, of `timm:NAME` with pretrained weights, or of a weights file.

    Of a run it is the student, or with `momentum` the momentum encoder. A weights file needs
    `encoder`, the name of its timm model. `image_size` is for timm and weights files; its default
    is the model's own. So are `args`, for the timm constructor. Raises `UserError` for anything
    else.
    """
    path = Path(source)
    if str(source).startswith("timm:"):
        name = str(source).removeprefix("timm:")
        try:
            size = image_size or native_size(name)
            model = build_encoder(name, image_size=size, args=args, pretrained=True)
        except (OSError, RuntimeError) as error:
            reason = str(error).splitlines()[0][:100]
            raise UserError(
                f"could not download the pretrained weights of {name} ({reason}); "
                "give a file of weights instead"
            ) from None
        return PhotoEncoder(model, name=name, device=device)
    if path.suffix == ".safetensors":
        if encoder is None:
            raise UserError(f"{path} holds weights alone; name their timm model with --encoder")
        size = image_size or native_size(encoder)
        model = build_encoder(encoder, image_size=size, args=args)
        load_weights(model, path)
        return PhotoEncoder(model, name=path.stem, device=device)
    run = Run(path)
    if not run.exists:
        raise UserError(f"{source} is neither a run, a .safetensors file nor timm:NAME")
    folder = run.momentum if momentum else run.encoder
    if not folder.is_dir():
        raise UserError(f"{path} has no encoder yet; its training has not reached a checkpoint")
    return PhotoEncoder(load_encoder(folder), name=path.name, device=device)


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
    at_run_size, at_own_size = (
        load(source, encoder=name, image_size=side, args=settings["encoder_args"], device=device)
        for side in (settings["image_size"], size)
    )
    started = load_start(run, device=device).state_dict()
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
