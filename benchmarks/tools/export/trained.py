"""The trained network of one stage of a recorded cell: from its stored state, or trained again where that is gone."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Collection

import numpy as np
import torch
from torch import nn

from backbones.network import Network, build
from backbones.registry import parse as parse_backbone
from backbones.strategy_layers.light import merge_low_rank
from benchmarks.planning.plan import Cell, Job, Plan
from benchmarks.planning.stages import Stage
from benchmarks.planning.store import Store
from benchmarks.records.record import Record, StageResult
from benchmarks.running.context import RunContext
from benchmarks.running.job import new_network, run_job
from benchmarks.running.scoring import score_stage, stage_outputs
from benchmarks.running.session import Session
from benchmarks.support.errors import UserError
from benchmarks.training import checkpoint
from benchmarks.training.state import TrainingError
from strategies.base import Outputs
from strategies.combining.expression import parse

Say = Callable[[str], None]
Advance = Callable[[str, int, int], None]


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedStage:
    """A trained stage: its network on the CPU in evaluation mode, and what it measured.

    `held`, `labels_N`: stored outputs for the validation rows and their labels; `test`: the same for the test rows.
    `mean`, `std`: what images are normalised with, in [0, 1] units. `mirror`: whether logits are means over an image
    and its mirror. `again`: whether it was trained again.
    """

    stage: Stage
    result: StageResult
    network: Network
    test: Outputs
    held: Outputs
    labels_N: np.ndarray
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mirror: bool
    again: bool


def trained_stage(
    session: Session, cell: Cell, record: Record, name: str, kept: Store, say: Say, advance: Advance
) -> TrainedStage:
    """Return the stage called `name` of a cell, whose states are in the store `kept`; the session's store is scratch.

    Where the state or its predictions were removed or are damaged, the stage is trained again, from the last state that
    is left. Raises UserError if that fails, or needs a GPU and there is none.
    """
    plan, context = session.plan, session.context
    index = next(i for i, stage in enumerate(context.stages) if stage.data.name == name)
    stage, key = context.stages[index], cell.jobs[index][-1]
    job, recipe = plan.jobs[key], context.suite.recipe
    result, again = record.stages[index], not _bring(context.store, kept, key, predictions=True)
    if again:
        _train_again(plan, context, kept, job, record, say, advance)
        done = context.store.result(key)
        assert done is not None  # run_job stored it
        scored, _ = score_stage(context, stage, parse(cell.strategy), [done])
        result = dataclasses.replace(  # `done` is only the last of its jobs
            scored, epochs=result.epochs, losses=result.losses, accuracies=result.accuracies
        )
    network = _network(context, job)
    labels_N = stage.labels_N[stage.data.validation_rows]
    test, held = stage_outputs(context.store, [key], labels_N)
    frozen = recipe.frozen
    plain = recipe.normalise == "none" and not frozen
    return TrainedStage(
        stage=stage, result=result, network=network, test=test, held=held, labels_N=labels_N,
        mean=(0.0, 0.0, 0.0) if plain else network.mean, std=(1.0, 1.0, 1.0) if plain else network.std,
        mirror=recipe.flip if frozen else recipe.flip_test, again=again,
    )  # fmt: skip


def _network(context: RunContext, job: Job) -> Network:
    """Return the job's network with its stored state; a frozen backbone is put below the classifier.

    What a strategy added for its training and dropped at its end, such as a copy of the weights, is left out.
    """
    network = new_network(context, job)
    tensors, _ = checkpoint.load(context.store.state(job.key))
    _drop(network, tensors.keys())
    network.load_state_dict({name: tensors[name] for name in network.state_dict()})
    merge_low_rank(network)
    if context.suite.recipe.frozen:
        name, size = parse_backbone(job.backbone).backbone.name, context.suite.recipe.image_size
        first = context.first_weights.get(job.backbone)
        below = build(name, 2, image_size=size, seed=0, weights=first.path if first else "none")
        network.encoder, network.pool = below.encoder, _joined(below.pool, network.pool)
        network.mean, network.std = below.mean, below.std
    return network.eval()


def _drop(network: nn.Module, kept: Collection[str]) -> None:
    """Remove the parameters and buffers that are not `kept`, and modules of which nothing is."""
    for name in sorted(network.state_dict().keys() - kept):
        parts = name.split(".")
        whole = next(end for end in range(1, len(parts) + 1) if not _any_in(".".join(parts[:end]), kept))
        owner = network.get_submodule(".".join(parts[: whole - 1]))
        if hasattr(owner, parts[whole - 1]):  # not removed with another name's module
            delattr(owner, parts[whole - 1])


def _any_in(module: str, names: Collection[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for name in names)


def _joined(below: nn.Module, above: nn.Module) -> nn.Module:
    """Return both modules as one, without an identity."""
    layers = [layer for layer in (below, above) if not isinstance(layer, nn.Identity)]
    return nn.Sequential(*layers) if len(layers) != 1 else layers[0]


def _bring(to: Store, kept: Store, key: str, *, predictions: bool = False) -> bool:
    """Copy a job's state, and on request its predictions; False if one is missing or damaged."""
    to.folder(key).mkdir(parents=True, exist_ok=True)
    try:
        shutil.copyfile(kept.state(key), to.state(key))
        checkpoint.load(to.state(key))
        if not predictions:
            return True
        shutil.copyfile(kept.folder(key) / "predictions.npz", to.folder(key) / "predictions.npz")
        return to.has_predictions(key)
    except (OSError, checkpoint.CheckpointError):
        to.state(key).unlink(missing_ok=True)
        return False


def _train_again(
    plan: Plan, context: RunContext, kept: Store, job: Job, record: Record, say: Say, advance: Advance
) -> None:
    """Train a job and those before it whose states are gone, into the session's store."""
    if context.device.type == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"{record.name} was trained on a GPU and its state was removed; torch sees no GPU here to train it again, "
            "so export it on a machine with one."
        )
    jobs = [job]
    while (parent := jobs[0].parent) and not _bring(context.store, kept, parent):
        jobs.insert(0, plan.jobs[parent])
    epochs = sum(one.epochs for one in jobs)
    say(f"The trained state of {record.name} was removed after its run; training it again ({epochs} epochs).")
    context.store.state(job.key).unlink(missing_ok=True)
    try:
        for number, one in enumerate(jobs, start=1):
            what = f"training again, part {number} of {len(jobs)}" if len(jobs) > 1 else "training again"
            run_job(context, one, lambda step, steps, what=what: advance(what, step, steps), say)  # type: ignore[misc]
    except TrainingError as error:
        raise UserError(f"{record.name} fails when it is trained again: {error}.") from error
