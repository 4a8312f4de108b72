"""What a job saves of its training: the content of states and checkpoints, and when checkpoints are written."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import torch

from benchmarks.running.context import RunContext
from benchmarks.training import checkpoint
from benchmarks.training.loop import steps_per_epoch
from benchmarks.training.state import Epoch, Training

CHECKPOINT_SECONDS = 60.0


class Checkpoints:
    """Writes checkpoints of a job that trains, whenever one is due."""

    def __init__(
        self, context: RunContext, training: Training, spent: dict, on_step: Callable[[int, int], None]
    ) -> None:
        """`spent`: the cost before `training`. `on_step(step, steps)` is called after each step of the job."""
        self._path = context.store.checkpoint(training.job.key)
        self._training, self._spent, self._on_step = training, spent, on_step
        self._steps = steps_per_epoch(training.stage, training.recipe)
        given = context.checkpoint_seconds
        self._pace = checkpoint.Pace(CHECKPOINT_SECONDS if given is None else given)
        self._epoch_began = time.perf_counter()

    def after_step(self, epoch: int, step: int) -> None:
        """Report the step, and write a checkpoint within the epoch if one is due."""
        job = self._training.job
        self._on_step((epoch - job.start) * self._steps + step + 1, job.epochs * self._steps)
        if step + 1 < self._steps and self._pace.due(epoch_ended=False):
            self._write(time.perf_counter() - self._epoch_began)

    def after_epoch(self, _: Epoch) -> None:
        """Write a checkpoint between epochs if one is due."""
        if self._training.epoch < self._training.job.end and self._pace.due(epoch_ended=True):
            self._write(0.0)
        self._epoch_began = time.perf_counter()

    def _write(self, seconds: float) -> None:
        """Write a checkpoint; `seconds` were spent in the current epoch."""
        if not math.isfinite(float(self._training.loss_sum)):
            return  # training will fail at the end of this epoch: do not store this state
        with self._pace.taking():
            checkpoint.save_next(self._path, *pack(self._training, self._spent, seconds))


def total(training: Training, spent: dict) -> dict:
    """Return what was `spent` before and in this training: seconds, images, loss and accuracy of each epoch."""
    return {
        "seconds": spent["seconds"] + sum(e.seconds for e in training.history) + training.after_seconds,
        "images": spent["images"] + sum(e.images for e in training.history),
        "losses": (*spent["losses"], *(e.loss for e in training.history)),
        "accuracies": (*spent["accuracies"], *(e.accuracy for e in training.history)),
    }


def pack(training: Training, spent: dict, seconds: float = 0.0) -> checkpoint.State:
    """Return what a checkpoint holds; `seconds` were spent in the current epoch."""
    tensors = {**training.network.state_dict(), **checkpoint.pack_optimizer(training.optimizer)}
    so_far = total(training, spent)
    so_far["seconds"] += seconds
    accuracy = training.facts.validation_accuracy_C
    numbers = {
        "job": training.job.key,
        "epoch": training.epoch,
        "step": training.step,
        "loss_sum": float(training.loss_sum),
        "hits": int(training.hits),
        "pieces": training.pieces,
        "trains": training.job.segment.phase.trains,
        "spent": so_far,
        # JSON has no NaN: None stands for a class without validation rows.
        "validation_accuracy": accuracy and [None if a != a else a for a in accuracy],
    }
    return tensors, numbers


def restore(training: Training, tensors: dict[str, torch.Tensor], numbers: dict, *, resumed: bool) -> None:
    """Load a state into the training; a job that starts with a new classifier keeps the new one."""
    network, phase = training.network, training.job.segment.phase
    names = set(network.state_dict())
    fresh = phase.new_classifier and not resumed
    kept = {n: t for n, t in tensors.items() if n in names and not (fresh and n.startswith("classifier."))}
    network.load_state_dict({**network.state_dict(), **kept})
    if numbers["trains"] == phase.trains and not fresh and _same_parameters(training, tensors):
        checkpoint.unpack_optimizer(training.optimizer, tensors)  # only for the same parameters
    training.epoch = int(numbers["epoch"])
    if resumed:
        training.step, training.loss_sum = int(numbers["step"]), float(numbers["loss_sum"])
        training.hits = int(numbers.get("hits", 0))  # checkpoints of earlier versions have none
        training.pieces = int(numbers["pieces"])
    accuracy = numbers["validation_accuracy"]
    if accuracy:
        measured = tuple(float("nan") if a is None else a for a in accuracy)
        training.facts = dataclasses.replace(training.facts, validation_accuracy_C=measured)


def _same_parameters(training: Training, tensors: dict[str, torch.Tensor]) -> bool:
    """Whether a state's optimiser has the same parameters as this one; a new classifier may change them."""
    trained = {name: p for name, p in training.network.named_parameters() if p.requires_grad}
    indices = {name.split(".")[1] for name in tensors if name.startswith("optimizer.")}
    alike = all(name in tensors and tensors[name].shape == p.shape for name, p in trained.items())
    return alike and len(indices) in (0, len(trained))
