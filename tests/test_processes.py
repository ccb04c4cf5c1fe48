"""Several processes, and processes that are killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from photos import collection
from runs import BATCH, TINY, command, flags, last_state, logged_steps, run_command
from safetensors.torch import save_file

from lodisc.data.loader import evaluation_batches, training_batches
from lodisc.data.sources import find_photos
from lodisc.encoders import build_encoder
from lodisc.errors import UserError
from lodisc.run import Run

SETTINGS: dict[str, Any] = {"epochs": 4, "batch_size": 4, "mask": "random"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection(tmp_path_factory.mktemp("photos"), per_label=8)


def wait_for_step(run: Path, step: int) -> None:
    deadline = time.monotonic() + 60
    while not (run / "log.jsonl").exists() or step not in logged_steps(run):
        assert time.monotonic() < deadline
        time.sleep(0.002)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
def test_killed_at_several_steps_ends_as_if_never_stopped(photos: Path, tmp_path: Path) -> None:
    assert run_command("train", photos, "--out", tmp_path / "whole", **SETTINGS)[0] == 0
    cut = tmp_path / "cut"
    for step in (1, 4, 5, 9, 13):
        process = command("train", photos, "--out", cut, **SETTINGS, checkpoint_minutes=1e-9)
        wait_for_step(cut, step)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    status, _, messages = run_command("train", photos, "--out", cut, **SETTINGS)
    assert status == 0 and "Going on from step" in messages
    assert same(last_state(tmp_path / "whole"), last_state(cut))
    assert logged_steps(cut) == list(range(1, 17))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_what_was_learnt(
    photos: Path, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    process = command("train", photos, "--out", run, **{**SETTINGS, "epochs": 5000, "workers": 1})
    wait_for_step(run, 3)
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert (
        "run the same command to go on" in messages.splitlines()[-1] and "Traceback" not in messages
    )
    reached = logged_steps(run)[-1]
    assert (run / "checkpoint" / f"step-{reached:08d}").is_dir() and Run(run).exists


def children(process: int) -> list[int]:
    """The processes that a process started and that still run."""
    return [
        int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ]


@pytest.mark.slow
def test_a_killed_worker_ends_a_training_in_one_line(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = command("train", photos, "--out", run, **{**SETTINGS, "epochs": 5000, "workers": 2})
    wait_for_step(run, 3)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 1 and "Traceback" not in messages
    assert messages.splitlines()[-1].startswith("lodisc train: a process that read photographs was")


@pytest.mark.parametrize("kind", ["training", "evaluation"])
def test_a_killed_worker_is_told_where_the_next_batch_is_asked_for(photos: Path, kind: str) -> None:
    listed = find_photos(photos).photos
    batches: Iterator[Any] = (
        training_batches(
            listed,
            seed=0,
            image_size=32,
            min_crop=0.5,
            batch_size=2,
            steps=range(1000),
            workers=2,
        )
        if kind == "training"
        else evaluation_batches(cycle([listed[:2]]), image_size=32, workers=2)
    )
    next(batches)
    workers = torch.multiprocessing.active_children()
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join()  # the main process hears of it here, outside the loader
    with pytest.raises(UserError, match="was ended, most likely for lack of memory"):
        for _ in batches:
            pass


SCRIPT = """
import sys, torch
import lodisc.training.learner
from lodisc.config import TrainConfig
from lodisc.encoders import build_encoder
from lodisc.method.neighbours import mine
from lodisc.training.distributed import processes
from lodisc.training.learner import Learner
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)
args = {"depth": 2, "embed_dim": 32, "num_heads": 2, "patch_size": 8}
encoder = build_encoder("vit_tiny_patch16_224", image_size=32, args=args)
views = torch.randn(2, 8, 3, 32, 32, generator=torch.Generator().manual_seed(1))
keys, masked_side, objective, mask = sys.argv[2:]
task = {"keys": keys, "masked_side": masked_side, "objective": objective, "mask": mask}
size = {"hidden_dim": 32, "out_dim": 16, "batch_size": 8}
config = TrainConfig(init="none", precision="fp32", **size, **task)
neighbourhood = None
if keys == "bank":
    neighbourhood = mine(torch.randn(20, 32) + 1, neighbours=3, spared=0.2)
    lodisc.training.learner.MOST_OTHERS = 15
with processes("cpu") as world:
    learner = Learner(encoder, config, world, neighbourhood=neighbourhood)
    share = 8 // world.size
    own = views[:, world.rank * share : (world.rank + 1) * share].contiguous()
    _, figures = learner.step(own, step=0, steps=10)
    gradients = {name: p.grad for name, p in learner.model.named_parameters() if p.grad is not None}
    buffers = dict(learner.model.named_buffers())
    if world.rank == world.size - 1:
        loss = torch.tensor(figures["loss"])
        torch.save({"loss": loss, **gradients, **buffers}, sys.argv[1])
    del learner
"""


@pytest.mark.parametrize(
    "task",
    [
        ("batch", "key", "both", "pivotal"),
        ("batch", "query", "both", "pivotal"),
        ("batch", "query", "local", "random"),
        ("bank", "query", "both", "pivotal"),
        ("bank", "query", "local", "random"),
        ("bank", "query", "global", "pivotal"),
    ],
)
def test_one_process_equals_two(tmp_path: Path, task: tuple[str, str, str, str]) -> None:
    script = tmp_path / "step.py"
    script.write_text(SCRIPT)
    results = []
    for count in (1, 2):
        out = tmp_path / f"{count}.pt"
        launch = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={count}",
            str(script),
            str(out),
            *task,
        ]
        done = subprocess.run(
            launch,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        results.append(torch.load(out, weights_only=True))
    one, two = results
    assert one.keys() == two.keys() and len(one) > 30
    assert ("bank_ND" in one) == (task[0] == "bank")
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=1e-6, rtol=1e-6, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "contrast",
    [{}, BATCH, {"tune": "last:1"}, {**BATCH, "tune": "lora:2", "head_warmup": 0.5}],
)
def test_torchrun_trains_the_same_run(
    photos: Path, tmp_path: Path, contrast: dict[str, Any]
) -> None:
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 4, **contrast}
    train_by_two(photos, tmp_path / "two", **settings)
    assert run_command("train", photos, "--out", tmp_path / "one", **settings)[0] == 0
    one, two = last_state(tmp_path / "one"), last_state(tmp_path / "two")
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=2e-3, rtol=1e-2, msg=name)


@pytest.mark.slow
def test_two_processes_come_to_the_same_outcome(tmp_path: Path) -> None:
    photos = collection(tmp_path / "photos", labels=[""], per_label=64)
    torch.manual_seed(0)
    encoder = build_encoder(TINY["encoder"], image_size=32, args=TINY["encoder_args"])
    save_file(encoder.trunk.state_dict(), tmp_path / "tiny.safetensors")
    settings: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 16,
        "init": tmp_path / "tiny.safetensors",
    }
    train_by_two(photos, tmp_path / "two", **settings)
    assert run_command("train", photos, "--out", tmp_path / "one", **settings)[0] == 0
    one, two = (Run(tmp_path / name).config.get("outcome") for name in ("one", "two"))
    assert one and two and one["verdict"] == two["verdict"] != "not measured"
    assert one["kept"] == two["kept"]
    assert two["run"] == pytest.approx(one["run"], abs=0.01)


def train_by_two(photos: Path, out: Path, **settings: Any) -> None:
    """Train in two processes that torchrun starts."""
    launch = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "lodisc",
        "train",
        str(photos),
        "--out",
        str(out),
        *flags(**settings),
    ]
    done = subprocess.run(launch, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]


def limited(megabytes: float, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `lodisc` where no file may grow beyond a size, as on a disk with that much room."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({int(megabytes * 1e6)},) * 2); "
        "from lodisc.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("megabytes", [0.0, 0.02, 0.2])
def test_a_full_disk_is_one_line_and_loses_nothing(
    photos: Path, tmp_path: Path, megabytes: float
) -> None:
    run = tmp_path / "run"
    words = ["train", str(photos), "--out", str(run), *flags(**SETTINGS)]
    done = limited(megabytes, *words)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("lodisc train: ")
    assert not list(run.rglob("*.tmp"))
    assert run_command("train", photos, "--out", run, **SETTINGS)[0] == 0
    assert logged_steps(run)[-1] == 16
