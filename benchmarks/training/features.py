"""Evaluations of the network between epochs: validation accuracy, features. N rows, M rows after resampling."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import torch

from backbones.seeds import seed_for
from benchmarks.planning.stages import accuracy_C
from benchmarks.training.predict import RowFeatures, outputs_of
from benchmarks.training.state import StoredFeatures, Training
from strategies.base import Outputs, Trained


def validation_accuracy_C(training: Training) -> tuple[float, ...]:
    """Return top-1 accuracy per class on the stage's validation rows, NaN for classes without any."""
    labels_N = training.stage.labels_N[training.stage.data.validation_rows]
    return accuracy_C(validation_outputs(training).logits_BC.numpy(), labels_N, training.facts.num_classes)


def validation_outputs(training: Training) -> Outputs:
    """Return the outputs for the stage's validation rows, without features.

    If the segment trains only the classifier, the layers below it run once and their features are reused.
    """
    network, batcher, choice = training.network, training.batcher, training.choice
    rows_N, classes = training.stage.data.validation_rows, training.facts.num_classes
    if not training.job.segment.leaves_the_representation():
        return outputs_of(network, batcher, rows_N, choice, classes, features=False)
    if training.validation is None:
        training.validation = RowFeatures.of(network, batcher, rows_N, choice)
    return training.validation.outputs(network, choice, classes)


def features_of_rows(training: Training) -> tuple[np.ndarray, np.ndarray]:
    """Return features [N, F] float32 and labels [N] of the training rows, in evaluation mode, not augmented."""
    rows_N, classes = training.stage.data.train_rows, training.facts.num_classes
    outputs = outputs_of(training.network, training.batcher, rows_N, training.choice, classes)
    return outputs.features_BF.numpy(), training.stage.labels_N[rows_N]


def measure(training: Training) -> None:
    """Refresh per-class validation accuracy in `training.facts`."""
    training.facts = dataclasses.replace(training.facts, validation_accuracy_C=validation_accuracy_C(training))


def store_features(training: Training) -> None:
    """Store the features that this segment trains on, resampled."""
    features_NF, labels_N = features_of_rows(training)
    seed = seed_for(training.job.seed, training.job.stage, "resample")
    resampled = training.strategy.resample_features(features_NF, labels_N, training.facts, seed)
    features_MF, labels_M = (features_NF, labels_N) if resampled is None else resampled
    on_device = torch.from_numpy(np.ascontiguousarray(features_MF, dtype=np.float32)).to(training.batcher.device)
    training.stored = StoredFeatures(on_device, np.asarray(labels_M, dtype=np.int64))


def before_training(training: Training) -> None:
    """Let the strategy change the network before a stage's first step."""
    with torch.no_grad():
        training.strategy.before_training(training.network, training.facts, _trained(training))


def after_epoch(training: Training) -> None:
    """Let the strategy change the network at the end of an epoch."""
    with torch.no_grad():
        training.strategy.after_epoch(training.network, training.facts, _trained(training))


def after_training(training: Training) -> None:
    """Let the strategy change the trained network; it may request features and validation accuracy."""
    training.strategy.after_training(training.network, training.facts, _trained(training))


def _trained(training: Training) -> Trained:
    features = functools.cache(lambda: features_of_rows(training))
    return Trained(lambda: validation_accuracy_C(training), features)
