"""One training step, hook by hook, with a check of every result's shape.

B batch, C classes, F features.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from backbones.network import Network, seeded
from benchmarks.contract import tiny
from benchmarks.contract.cases import Case
from benchmarks.contract.clauses import expect
from benchmarks.training.loop import weighted_cross_entropy
from benchmarks.training.passes import keeping_views, mixed_outputs, mixes_features, network_outputs
from strategies.base import Batch, Outputs, Progress, Step, Strategy


@dataclasses.dataclass
class Tried:
    """A step's outcome: the network, the mixed batch, its loss (before backward) and the logits that are scored."""

    network: Network
    batch: Batch
    loss: Tensor
    scored_BC: Tensor


def network_for(strategy: Strategy, case: Case) -> Network:
    """Return the tiny network with the strategy's classifier: a function of strategy and counts alone."""
    network = tiny.network(case.facts.num_classes, tiny.backbone_for([strategy]))
    with seeded(0, "architecture"):
        strategy.architecture(network, case.facts)
    with seeded(0, "strategy"):
        network.classifier = strategy.classifier(network.classifier, network.feature_size, case.facts)
        strategy.attach(network, case.facts)
    return network


def try_step(
    strategy: Strategy, case: Case, batch: Batch, progress: Progress, *, seed: int = 0, scale: float = 1.0
) -> Tried:
    """Return one step on a copy of `batch`, with the classifier's outputs multiplied by `scale`.

    Raises `Broken` for a result of the wrong shape.
    """
    size, classes = len(batch.labels_B), case.facts.num_classes
    copy = drawn(strategy, batch)
    if strategy.second_C(case.facts, progress) is not None:
        copy.second = drawn(strategy, batch)
    mixed = keeping_views(strategy.mix(copy, case.facts, torch.Generator().manual_seed(seed)), copy)
    _shape("mix: images_BCHW", mixed.images_BCHW, *batch.images_BCHW.shape)
    _shape("mix: y_BC", mixed.y_BC, size, classes)
    sums_close = torch.allclose(mixed.y_BC.sum(1), torch.ones(size), atol=1e-5)
    expect(sums_close and (mixed.y_BC >= 0).all(), "mix: targets are negative or do not sum to 1")
    network = network_for(strategy, case)
    outputs = network_outputs(network, strategy, mixed, tiny.CHOICE)
    if mixes_features(strategy):
        draws = torch.Generator().manual_seed(seed + 2)
        outputs, mixed = mixed_outputs(network, strategy, mixed, outputs, tiny.CHOICE, case.facts, draws)
    outputs = _scaled(outputs, scale)
    _shape("classifier: logits", outputs.logits_BC, size, classes)
    draws = torch.Generator().manual_seed(seed + 1)
    step = Step(case.facts, progress, _weights(strategy, case, progress), draws, network=network)
    trained_BC = strategy.train_logits(outputs, mixed, step)
    _shape("train_logits", trained_BC, size, classes)
    loss = strategy.loss(dataclasses.replace(outputs, logits_BC=trained_BC), mixed, step)
    if loss is None:
        loss = weighted_cross_entropy(trained_BC, mixed.y_BC, step.weights_C)
    _shape("loss", loss)
    detached = Outputs(
        outputs.logits_BC.detach(), torch.zeros(size, 0), {name: t.detach() for name, t in outputs.extra.items()}
    )  # without features, as they are not stored
    scored_BC = strategy.predict(detached, case.facts)
    _shape("predict", scored_BC, size, classes)
    return Tried(network, mixed, loss, scored_BC)


def drawn(strategy: Strategy, batch: Batch) -> Batch:
    """Return a copy of a batch with as many views as the strategy asks for, view k shifted by k pixels."""
    copy = _copy(batch)
    for view in range(1, strategy.views()):
        images_BCHW = batch.images_BCHW.roll(view, 3)
        copy.views = (*copy.views, dataclasses.replace(_copy(batch), images_BCHW=images_BCHW))
    return copy


def _scaled(outputs: Outputs, scale: float) -> Outputs:
    extra = {name: tensor * scale for name, tensor in outputs.extra.items()}
    views = tuple(_scaled(view, scale) for view in outputs.views)
    return Outputs(outputs.logits_BC * scale, outputs.features_BF, extra, views=views)


def _copy(batch: Batch) -> Batch:
    return Batch(batch.images_BCHW.clone(), batch.labels_B.clone(), batch.y_BC.clone())


def _weights(strategy: Strategy, case: Case, progress: Progress) -> Tensor:
    """Return the class weights as the training loop scales them, float32 [C]."""
    weights_C = strategy.class_weights_C(case.facts, progress)
    if weights_C is None:
        return torch.ones(case.facts.num_classes)
    return torch.from_numpy(weights_C / weights_C.mean()).float()


def _shape(what: str, tensor: Tensor, *expected: int) -> None:
    expect(tuple(tensor.shape) == expected, f"{what} has shape {tuple(tensor.shape)}, not {expected}")
