"""The learner: model and optimiser, one step at a time, and their tensors for a checkpoint."""

import math

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lodisc.config import TrainConfig
from lodisc.data.loader import places_of
from lodisc.device import autocast
from lodisc.errors import UserError
from lodisc.method.bank import BankLoDisc
from lodisc.method.encoder import Encoder
from lodisc.method.lodisc import LoDisc, Step
from lodisc.method.lora import adapt
from lodisc.method.neighbours import Neighbourhood
from lodisc.method.regions import Regions
from lodisc.training import optim
from lodisc.training.distributed import AllReduceSum, Processes
from lodisc.tuning import tuning

BAD_STEPS = 5
MOST_OTHERS = 16384
"""So many photographs of the bank, drawn at random in each step, may be negatives."""
CURE = "lower --lr or use --precision fp32, with another --out"


class Learner:
    """LoDisc on the device of this process, in step with the other processes."""

    def __init__(
        self,
        encoder: Encoder,
        config: TrainConfig,
        world: Processes,
        *,
        neighbourhood: Neighbourhood | None = None,
    ) -> None:
        """With a `neighbourhood`, the learner contrasts a bank of its photographs."""
        self.config, self.world, self.neighbourhood = config, world, neighbourhood
        self.bad_steps = 0
        torch.manual_seed(config.seed)
        _freeze(encoder, config)
        self.model = self._model(encoder).to(world.device)
        self.optimiser = optim.adamw(self.model, weight_decay=config.weight_decay)
        self.learning = [
            parameter for parameter in self.model.parameters() if parameter.requires_grad
        ]
        self.encoder_learns = True
        self.forward = self._in_step()

    def step(self, views_VB3SS: Tensor, *, step: int, steps: int) -> tuple[Step, dict[str, float]]:
        """Learn from one batch; returns what the method computed, and the metrics of the step.

        Skips the optimiser step when loss or gradient is not finite; raises `UserError` after five
        in a row.
        """
        config = self.config
        rate = self._set_rates(step, steps=steps)
        momentum = optim.momentum(step, steps=steps, start=config.momentum)
        self.model.update_momentum(momentum)
        with autocast(config.precision, self.world.device):
            result = self.loss(views_VB3SS, step=step)
        self.optimiser.zero_grad(set_to_none=True)
        result.loss.backward()
        norm = nn.utils.clip_grad_norm_(self.learning, config.grad_clip, foreach=True)
        losses = self.world.mean(
            torch.stack([result.loss.detach(), result.loss_global, result.loss_local])
        )
        if bool(torch.isfinite(losses).all() & torch.isfinite(norm)):
            self.optimiser.step()
            self.bad_steps = 0
        else:
            self._count_bad_step(step)
        loss, loss_global, loss_local = losses.tolist()
        metrics = {"loss": loss, "loss_global": loss_global, "loss_local": loss_local}
        return result, {**metrics, "lr": rate, "momentum": momentum, "gradient_norm": norm.item()}

    def _set_rates(self, step: int, *, steps: int) -> float:
        """Set the learning rates of a step; returns that of the encoder, which may begin later."""
        config, alone = self.config, 0
        if self.neighbourhood is None:
            alone = optim.head_steps(steps, share=config.head_warmup)
        self._let_encoder_learn(step >= alone)
        schedule = {"peak": config.lr * config.batch_size / 256, "warmup": config.warmup}
        rate = 0.0
        if self.encoder_learns:
            rate = optim.learning_rate(step - alone, steps=steps - alone, **schedule)
        heads = optim.learning_rate(step, steps=steps, **schedule)
        for group in self.optimiser.param_groups:
            group["lr"] = rate if group["is_encoder"] else heads
        return rate

    def _let_encoder_learn(self, learns: bool) -> None:
        """Freeze the encoder, or no longer: without gradients AdamW leaves it as it is."""
        if learns == self.encoder_learns:
            return
        self.encoder_learns = learns
        for group in self.optimiser.param_groups:
            if group["is_encoder"]:
                for parameter in group["params"]:
                    parameter.requires_grad_(learns)
        self.forward = self._in_step()

    def _in_step(self) -> nn.Module:
        """The model, whose gradients are those of all processes for what learns now."""
        if self.world.size == 1:
            return self.model
        gpu = [self.world.device.index] if self.world.device.type == "cuda" else None
        return DistributedDataParallel(
            self.model,
            device_ids=gpu,
            broadcast_buffers=False,  # the bank changes in the same way everywhere
        )

    def loss(self, views_VB3SS: Tensor, *, step: int) -> Step:
        """What the method computes from the batch of a step."""
        result: Step = self.forward(
            views_VB3SS.to(self.world.device, non_blocking=True),
            noise_VBP=self._noise(step),
            **self._places(step),
        )
        return result

    @torch.no_grad()
    def require_finite(self) -> None:
        """Raise `UserError` when the features are not finite, as after far too large a step."""
        encoder = self.model.encoder
        empty = encoder.mean.new_zeros(1, 3, encoder.image_size, encoder.image_size)
        if not bool(torch.isfinite(encoder(empty)).all()):
            raise UserError(f"the features are not finite any more (NaN or infinity); {CURE}")

    def tensors(self) -> dict[str, Tensor]:
        """Everything that learning on from here depends on, by name."""
        optimiser = self.optimiser.state_dict()["state"]
        return {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()} | {
            f"optimiser.{index}.{name}": tensor
            for index, tensors in optimiser.items()
            for name, tensor in tensors.items()
        }

    def fits(self, tensors: dict[str, Tensor]) -> bool:
        """Whether these are the tensors of such a learner."""
        model = self.model.state_dict()
        return {
            name.removeprefix("model."): (tensor.shape, tensor.dtype)
            for name, tensor in tensors.items()
            if name.startswith("model.")
        } == {name: (tensor.shape, tensor.dtype) for name, tensor in model.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        self.model.load_state_dict(
            {
                name.removeprefix("model."): t
                for name, t in tensors.items()
                if name.startswith("model.")
            }
        )
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, index, part = name.split(".")
                state.setdefault(int(index), {})[part] = tensor
        self.optimiser.load_state_dict(
            {"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]}
        )

    def _model(self, encoder: Encoder) -> LoDisc | BankLoDisc:
        config, world = self.config, self.world
        regions = Regions(
            mask=config.mask,
            keep_ratio=config.keep_ratio,
            fusion=config.fusion,
            mode=config.mask_mode,
        )
        if self.neighbourhood is not None:
            return BankLoDisc(
                encoder,
                neighbourhood=self.neighbourhood.to(world.device),
                regions=regions,
                objective=config.objective,
                local_weight=config.local_weight,
                attention_from=config.attention_from,
                temperature=config.temperature,
                gather=world.gather,
            )
        return LoDisc(
            encoder,
            regions=regions,
            objective=config.objective,
            local_weight=config.local_weight,
            masked_side=config.masked_side,
            positives=config.positives,
            attention_from=config.attention_from,
            temperature=config.temperature,
            hidden_dim=config.hidden_dim,
            out_dim=config.out_dim,
            gather=world.gather,
            all_reduce=AllReduceSum.apply if world.size > 1 else None,
        )

    def _places(self, step: int) -> dict[str, Tensor]:
        """Where the photographs of this process and their negatives are in the bank, if any."""
        if self.neighbourhood is None:
            return {}
        count = len(self.neighbourhood)
        places = places_of(
            step,
            count=count,
            seed=self.config.seed,
            batch_size=self.config.batch_size,
            rank=self.world.rank,
            world=self.world.size,
        )
        others_M = torch.arange(count)
        if count > MOST_OTHERS:
            others_M = torch.randperm(count, generator=self._generator(step))[:MOST_OTHERS]
        photos_B = torch.tensor([index for _, index in places])
        return {
            "photos_B": photos_B.to(self.world.device),
            "others_M": others_M.to(self.world.device),
        }

    def _generator(self, step: int) -> torch.Generator:
        """The same in all processes."""
        return torch.Generator().manual_seed((self.config.seed * 1_000_003 + step) * 1024)

    def _noise(self, step: int) -> Tensor:
        """Random numbers [2, B, P] for the masks of this process's photographs.

        Those of a photograph are the same, however many processes there are.
        """
        noise_VBP = torch.rand(
            2,
            self.config.batch_size,
            math.prod(self.model.encoder.grid),
            generator=self._generator(step),
        )
        return noise_VBP.chunk(self.world.size, dim=1)[self.world.rank]

    def _count_bad_step(self, step: int) -> None:
        self.bad_steps += 1
        if self.bad_steps >= BAD_STEPS:
            raise UserError(
                f"the loss was not finite {BAD_STEPS} steps in a row, up to step {step + 1}; {CURE}"
            )


def _freeze(encoder: Encoder, config: TrainConfig) -> None:
    """Freeze what does not learn, and add the adapters that learn in its place."""
    part, number = tuning(config.tune)
    if part == "last":
        encoder.freeze_all_but(number)
    elif part == "lora":
        adapt(encoder, rank=number)
    if config.freeze_patch_embed:
        encoder.trunk.patch_embed.requires_grad_(False)
