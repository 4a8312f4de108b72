"""The training loop of all jobs. It names no strategy; strategies act through their hooks.

B batch, C classes, N samples of the stage.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from backbones.network import Network
from backbones.probe import Choice
from backbones.seeds import seed_for
from benchmarks.planning.stages import Stage
from benchmarks.suites.suite import Recipe
from benchmarks.support.gpu_errors import out_of_memory
from benchmarks.training.ascent import only_rows, take_gradients
from benchmarks.training.batching.batches import epoch_order, pool_order, split_batches
from benchmarks.training.epoch_batches import EpochBatches
from benchmarks.training.features import after_epoch, after_training, before_training, measure, store_features
from benchmarks.training.forward import seed_network
from benchmarks.training.microbatches import gradients_in_pieces
from benchmarks.training.passes import detached, keeping_views, mixed_outputs, mixes_features, network_outputs
from benchmarks.training.schedule import learning_rate
from benchmarks.training.state import Epoch, Training, TrainingError
from benchmarks.training.statistics import RunningStatistics
from strategies.base import Batch, Outputs, Phase, Progress, Step
from strategies.combining.seats import calls
from strategies.common import weighted_mean


def weighted_cross_entropy(logits_BC: Tensor, y_BC: Tensor, weights_C: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return sum_ic q_ic w_c l_ic / sum_ic y_ic w_c with l_ic = -log p_ic and q = (1 - smoothing) y + smoothing / C.

    For hard labels this is `torch.nn.functional.cross_entropy` with `weight` and `label_smoothing`; for mixed targets
    torch divides the same sum by B, which would let the weights change the step size.
    """
    loss_BC = -torch.log_softmax(logits_BC, dim=1)
    loss = weighted_mean(loss_BC, y_BC, weights_C)
    if smoothing:
        uniform = (loss_BC @ weights_C).sum() / (y_BC @ weights_C).sum() / logits_BC.shape[1]
        loss = (1 - smoothing) * loss + smoothing * uniform
    return loss


def steps_per_epoch(stage: Stage, recipe: Recipe) -> int:
    """Return the optimiser steps of one epoch: the same for every strategy."""
    return -(-len(stage.data.train_rows) // recipe.batch_size)


def prepare(network: Network, phase: Phase, choice: Choice) -> None:
    """Set the network's layout, and freeze what the phase does not train."""
    if choice.layout == "channels_last":
        network.to(memory_format=torch.channels_last)
    network.train()
    if phase.trains != "all":
        network.eval()
        for name, module in network.named_modules():
            if name and phase.covers(name):
                module.train()
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(phase.covers(name))
    if phase.moving_statistics:
        for module in network.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.train()


def run(training: Training, on_step: Callable[[int, int], None], on_epoch: Callable[[Epoch], None]) -> None:
    """Train the job from `training.epoch` to its end, in place.

    `on_step(epoch, step)` is called after each step, `on_epoch` after each epoch (where checkpoints are taken).
    Raises TrainingError where the loss stops being finite.
    """
    with _own_random_numbers():
        measures = "validation" in training.strategy.needs
        while training.epoch < training.job.end:
            plain_so_far = training.epoch > 0 and training.facts.validation_accuracy_C is None
            seconds = _seconds(measure, training) if measures and plain_so_far else 0.0
            unstored = training.job.segment.phase.on == "features" and training.stored is None
            seconds += _seconds(store_features, training) if unstored else 0.0
            starts = training.epoch == 0 and training.step == 0
            seconds += _seconds(before_training, training) if starts else 0.0
            epoch = one_epoch(training, on_step)
            seconds += _seconds(measure, training) if measures else 0.0
            seconds += _seconds(after_epoch, training)
            epoch.seconds += seconds
            training.epoch += 1
            training.history.append(epoch)
            on_epoch(epoch)
        if training.epoch == training.recipe.stage_epochs(training.stage.data.name):
            training.after_seconds = _seconds(after_training, training)


def _seconds(work: Callable[[Training], None], training: Training) -> float:
    """Run `work` and return its duration in seconds, which is part of the strategy's cost."""
    started = time.perf_counter()
    work(training)
    return time.perf_counter() - started


def one_epoch(training: Training, on_step: Callable[[int, int], None]) -> Epoch:
    """Train epoch `training.epoch` in place, from `training.step`; the caller increments `training.epoch`."""
    started = time.perf_counter()
    job, recipe, stage = training.job, training.recipe, training.stage
    epochs = recipe.stage_epochs(stage.data.name)
    progress = Progress(training.epoch, epochs)
    size = recipe.size_at(progress.fraction)
    key = (job.seed, job.stage, training.epoch)
    rows_N = epoch_rows(training, progress, key)
    second_N, views = second_rows(training, progress, key), training.strategy.views()
    batches = EpochBatches(training, rows_N, size, key, views)
    seconds = None if second_N is None else EpochBatches(training, second_N, size, ("second", *key), views)
    weights_C = scaled_weights(training, progress)
    known = Step(training.facts, progress, weights_C, torch.Generator(), network=training.network)
    steps = steps_per_epoch(stage, recipe)
    first, end = job.segment.phase.rate_over or (0, epochs)
    loss_sum = torch.as_tensor(training.loss_sum, dtype=torch.float64, device=training.batcher.device).clone()
    mixes = training.stored is None and calls(training.strategy, "mix")
    rate = 0.0
    for step, part in enumerate(split_batches(len(rows_N), recipe.batch_size)):
        if step < training.step:
            continue  # trained before the run was interrupted
        at = training.epoch * steps + step
        # seeded by the step, dropout's generator needs no state to resume
        seed_network(seed_for(job.seed, job.stage, at, "network"), training.batcher.device)
        peak = recipe.peak(stage.data.name)
        rate = learning_rate(recipe, peak, at - first * steps, (end - first) * steps)
        for group in training.optimizer.param_groups:
            group["lr"] = rate * group["peak"] / peak if "peak" in group else rate * group.get("factor", 1.0)
        batch = batches.batch(part)
        if seconds is not None:
            batch.second = seconds.batch(part)
        if mixes:
            mixed = training.strategy.mix(batch, training.facts, _draws(training, at, "mix"))
            batch = keeping_views(mixed, batch)
        loss, hits = _step(training, batch, known, at)
        loss_sum += loss * len(batch.labels_B)
        training.step, training.loss_sum, training.hits = step + 1, loss_sum, training.hits + hits
        on_step(training.epoch, step)
    mean_loss, accuracy = float(loss_sum) / len(rows_N), int(training.hits) / len(rows_N)
    training.step, training.loss_sum, training.hits = 0, 0.0, 0
    if not np.isfinite(mean_loss):
        raise TrainingError(f"the loss became {mean_loss} in epoch {training.epoch + 1} of stage {stage.data.name}.")
    images = len(rows_N) if training.stored is None else 0
    return Epoch(training.epoch, mean_loss, accuracy, time.perf_counter() - started, rate, images)


def epoch_rows(training: Training, progress: Progress, key: tuple[int, ...]) -> np.ndarray:
    """Return the rows [N] of one epoch, in order, of the data or of the stored features; N is the same for all."""
    rows_N = training.stage.data.train_rows
    if training.stored is not None:
        return pool_order(len(training.stored.labels_M), len(rows_N), *key)
    labels_N, seed = training.stage.labels_N[rows_N], seed_for(*key[:-1], "resample")
    pool_M = training.strategy.resample_rows(labels_N, training.facts, seed)
    if pool_M is not None:
        return rows_N[pool_M[pool_order(len(pool_M), len(rows_N), *key)]]
    sampling_C = training.strategy.sampling_C(training.facts, progress)
    kept_C = training.strategy.kept_C(training.facts, progress)
    return rows_N[epoch_order(labels_N, sampling_C, *key, kept_C=kept_C)]


def second_rows(training: Training, progress: Progress, key: tuple[int, ...]) -> np.ndarray | None:
    """Return the rows [N] of an epoch's second batches; None where the strategy needs none."""
    second_C = training.strategy.second_C(training.facts, progress)
    if second_C is None or training.stored is not None:
        return None
    rows_N = training.stage.data.train_rows
    return rows_N[epoch_order(training.stage.labels_N[rows_N], second_C, "second", *key)]


def scaled_weights(training: Training, progress: Progress) -> Tensor:
    """Return the class weights [C] in float32, scaled to a mean of 1; all 1 where the strategy gives none."""
    weights_C = training.strategy.class_weights_C(training.facts, progress)
    if weights_C is None:
        weights_C = np.ones(training.facts.num_classes)
    # Extreme weights do not fit float32: scale the mean to 1, a factor that the weighted mean cancels.
    scaled_C = np.asarray(weights_C, dtype=np.float64) / np.mean(weights_C)
    return torch.tensor(scaled_C, dtype=torch.float32, device=training.batcher.device)


def _draws(training: Training, at: int, what: str) -> torch.Generator:
    """Return the generator of one hook in step `at`. Seeded by the step, it needs no state to resume."""
    return torch.Generator(device="cpu").manual_seed(seed_for(training.job.seed, training.job.stage, at, what))


def _step(training: Training, batch: Batch, known: Step, at: int) -> tuple[Tensor, int | Tensor]:
    """One optimiser step; return loss and hits, still on the device. `known`: what the epoch's steps share."""
    strategy = training.strategy
    seen: list[tuple[Outputs, Batch]] = []

    def step() -> Step:
        """Return the `Step` that hooks get, with a new generator."""
        return dataclasses.replace(known, generator=_draws(training, at, "loss"))

    def loss_of(outputs: Outputs, part: bool = False) -> Tensor:
        """Return the scalar loss of the batch's outputs, the strategy's own or the weighted cross entropy.

        `part`: with gradients of only some rows (`ascent.py`).
        """
        given = batch
        if mixes_features(strategy):
            draws = _draws(training, at, "mix features")
            outputs, given = mixed_outputs(
                training.network, strategy, batch, outputs, training.choice, training.facts, draws
            )
        seen[:] = [(outputs, given)]
        loss, logits_BC = None, outputs.logits_BC
        if part or calls(strategy, "train_logits", "loss"):
            now = step()
            outputs = only_rows(outputs, given, now, strategy) if part else outputs
            logits_BC = strategy.train_logits(outputs, given, now)
            loss = strategy.loss(dataclasses.replace(outputs, logits_BC=logits_BC), given, now)
        if loss is None:
            loss = weighted_cross_entropy(logits_BC, given.y_BC, known.weights_C, training.recipe.label_smoothing)
        return loss

    def again(part: bool) -> None:
        """Recompute the gradients at the current weights."""
        _gradients_again(training, batch, functools.partial(loss_of, part=part), at)

    loss = _gradients_that_fit(training, batch, loss_of, at)
    take_gradients(training.network, strategy, training.facts, again)
    training.optimizer.step()
    outputs, given = seen[0]
    if calls(strategy, "after_step"):
        with torch.no_grad():
            strategy.after_step(training.network, detached(outputs), given, step())
    return loss.detach(), _hits(outputs.logits_BC.detach(), given.labels_B)


def _gradients_that_fit(training: Training, batch: Batch, loss_of: Callable[[Outputs], Tensor], at: int) -> Tensor:
    """Compute the gradients and return the loss.

    Where a GPU runs out of memory, this and later batches are split into twice as many pieces (`microbatches.py`).
    """
    statistics = RunningStatistics(training.network)
    while True:
        training.optimizer.zero_grad(set_to_none=True)
        try:
            return _gradients(training, batch, loss_of, at)
        except RuntimeError as error:
            # batch normalisation needs two samples a piece
            if not out_of_memory(error) or len(batch.labels_B) < 4 * training.pieces:
                raise
        statistics.put_back()
        training.pieces *= 2
        if training.graphs is not None:
            training.graphs.close()
        torch.cuda.empty_cache()


def _hits(logits_BC: Tensor, labels_B: Tensor) -> int | Tensor:
    """Return how many samples have their highest logit at their label."""
    if logits_BC.device.type == "cpu":  # in NumPy a third of torch's time, 4 of 250 microseconds of the shortest steps
        return int((logits_BC.numpy().argmax(axis=1) == labels_B.numpy()).sum())
    return (logits_BC.argmax(dim=1) == labels_B).sum()


def _gradients_again(training: Training, batch: Batch, loss_of: Callable[[Outputs], Tensor], at: int) -> None:
    """Recompute the gradients at the current weights with the same random numbers; running statistics do not change."""
    statistics = RunningStatistics(training.network)
    training.optimizer.zero_grad(set_to_none=True)
    seed_network(seed_for(training.job.seed, training.job.stage, at, "network"), training.batcher.device)
    _gradients(training, batch, loss_of, at)
    statistics.put_back()


def _gradients(training: Training, batch: Batch, loss_of: Callable[[Outputs], Tensor], at: int) -> Tensor:
    """Compute the batch's gradients; return its loss."""

    def outputs_of(part: Batch) -> Outputs:
        return network_outputs(training.network, training.strategy, part, training.choice, graphs)

    graphs = training.graphs if training.pieces == 1 else None
    if training.pieces > 1:
        seed = seed_for(training.job.seed, training.job.stage, at, "network")
        return gradients_in_pieces(training.network, batch, training.pieces, seed, outputs_of, loss_of)
    loss = loss_of(outputs_of(batch))
    loss.backward()
    return loss


@contextlib.contextmanager
def _own_random_numbers() -> Iterator[None]:
    """Restore the state of torch's global generators after the block."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        yield
