"""Run one job: build the network, load the parent's state, train, predict, and store the result."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from backbones.frozen import frozen_network
from backbones.network import Network, build, seeded
from backbones.probe import Choice
from backbones.seeds import seed_for
from backbones.text import FusionNetwork, NameNetwork, carry, reading_parameters
from backbones.weights import Weights
from benchmarks.planning.plan import Job
from benchmarks.planning.stages import Stage
from benchmarks.planning.store import JobResult
from benchmarks.running.context import RunContext
from benchmarks.running.job_state import Checkpoints, pack, restore, total
from benchmarks.support.disk import ends_if_full, require_room
from benchmarks.support.hardware import machine, peak_memory_bytes, restart_peak_memory
from benchmarks.training import checkpoint
from benchmarks.training.allocator import keep_freed_memory
from benchmarks.training.batching.batches import Batcher, Batches
from benchmarks.training.batching.feature_batches import FeatureBatcher
from benchmarks.training.batching.text_batches import NameBatcher, stage_names
from benchmarks.training.features import validation_outputs
from benchmarks.training.gpu.arithmetic import float32_arithmetic
from benchmarks.training.gpu.cuda_graphs import graphs_for
from benchmarks.training.loop import prepare, run
from benchmarks.training.optimizers import make_optimizer
from benchmarks.training.predict import outputs_of
from benchmarks.training.state import Training, TrainingError
from strategies.base import Strategy
from strategies.combining.expression import parse

MARGIN_BYTES = 100_000  # for file headers, the result and a record
NAMES_CHOICE = Choice("contiguous", "float32")  # no backbone, nothing to probe


def run_job(
    context: RunContext,
    job: Job,
    on_step: Callable[[int, int], None] = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> JobResult:
    """Train `job`, or return its result if it is done and its state is still stored.

    `on_step(step, steps)` reports progress within the job, `say` gets lines for the user. Raises what training raises,
    and DiskFull if the disk has no room for the job's files; the store then holds no result, only checkpoints (if any)
    from which the next call continues.
    """
    done = context.store.result(job.key)
    if done is not None and context.store.state(job.key).exists():
        return done
    keep_freed_memory()
    restart_peak_memory(context.device)
    training, spent = resume(context, job, say)
    require_room(context.store.work, _bytes_to_write(training))
    checkpoints = Checkpoints(context, training, spent, on_step)
    with ends_if_full(context.store.work), float32_arithmetic(training.recipe.tf32):
        try:
            run(training, checkpoints.after_step, checkpoints.after_epoch)
        except TrainingError:
            context.store.drop_checkpoints(job.key)  # they may contain the bad weights
            raise
        if training.graphs is not None:
            training.graphs.close()  # the predictions need memory
            if training.graphs.why_not:
                say(f"{job.backbone} ran without CUDA graphs, because capturing it failed ({training.graphs.why_not}).")
        checkpoint.save(context.store.state(job.key), *pack(training, spent))
        if job.ends_stage:
            _predict(context, training)
        peak = peak_memory_bytes(context.device) - context.resident_bytes  # without the images, which all jobs share
        result = JobResult(
            job.key, epochs=job.epochs, peak_memory_bytes=peak, pieces=training.pieces,
            hardware=machine(context.device.type), after=job.parent if job.continues else None,
            **total(training, spent),
        )  # fmt: skip
        context.store.finish(result)
    return result


def _bytes_to_write(training: Training) -> int:
    """Return about how many bytes the job's state and predictions take, without checkpoints."""
    tensors = training.network.state_dict().values()
    trained = [p for p in training.network.parameters() if p.requires_grad]
    optimizer = {"sgd": 1, "adamw": 2}[training.recipe.optimizer] * sum(p.nbytes for p in trained)
    data = training.stage.data
    logits = 4 * training.facts.num_classes * (len(data.test_rows) + len(data.validation_rows))
    return sum(tensor.nbytes for tensor in tensors) + optimizer + logits * training.job.ends_stage + MARGIN_BYTES


def resume(context: RunContext, job: Job, say: Callable[[str], None] = lambda _: None) -> tuple[Training, dict]:
    """Return the training at the job's newest checkpoint, else at its start, and the cost so far."""
    spent: dict = {"seconds": 0.0, "images": 0, "losses": [], "accuracies": []}
    state, damaged = checkpoint.newest(context.store.checkpoint(job.key), job.key)
    for sentence in damaged:
        say(f"{sentence} The job {'continues from the one before' if state else 'starts again'}.")
    resumed = state is not None
    if state is not None:
        spent |= state[1]["spent"]
    elif job.continues and job.parent:
        state = checkpoint.load(context.store.state(job.parent))
    training = begin(context, job)
    if state is not None:
        restore(training, *state, resumed=resumed)
    return training, spent


def begin(context: RunContext, job: Job) -> Training:
    """Return the job's training at the start of its stage: backbone from the parent, classifier new."""
    stage, recipe = context.stage(job.stage), context.suite_of(job.variant).recipe
    strategy = parse(job.strategy)
    text = strategy.text()
    names = stage_names(context.loaded, context.stages, job.stage, text.mask_class_words) if text else None
    network = new_network(context, job, names[1] if names else 0)
    if job.parent and not job.continues:
        carry(network, checkpoint.load(context.store.state(job.parent))[0])
    network.to(context.device)
    choice = context.choices.get(job.backbone, NAMES_CHOICE)
    prepare(network, job.segment.phase, choice)
    graphs = graphs_for(network, strategy, recipe, choice, context.device)
    return Training(
        job=job,
        stage=stage,
        strategy=strategy,
        recipe=recipe,
        choice=choice,
        network=network,
        batcher=_batcher(context, job, network, strategy, stage, names[0] if names else None),
        facts=stage.facts,
        optimizer=make_optimizer(
            recipe, network, job.segment.phase.weight_decay, text, reading_parameters(network), strategy.rates()
        ),
        epoch=job.start,
        graphs=graphs,
    )


def new_network(context: RunContext, job: Job, vocabulary: int = 0) -> Network:
    """Return the job's network on the CPU, with the strategy's architecture and classifier and the first weights.

    `vocabulary`: the size of its word embedding table, if it reads names.
    """
    strategy, stage = parse(job.strategy), context.stage(job.stage)
    network = _network(context, job, strategy, vocabulary)
    with seeded(seed_for(job.seed, job.stage, "network"), "strategy"):
        network.classifier = strategy.classifier(network.classifier, network.feature_size, stage.facts)
        strategy.attach(network, stage.facts)
    return network


def _network(context: RunContext, job: Job, strategy: Strategy, vocabulary: int) -> Network:
    """Return the job's network with its first weights; `vocabulary`: as for `new_network`."""
    stage, text, seed = context.stage(job.stage), strategy.text(), seed_for(job.seed, job.stage, "network")
    classes = stage.facts.num_classes
    if text and not text.images:
        return NameNetwork(vocabulary, classes, seed)
    if context.suite.recipe.frozen:
        network = frozen_network(job.backbone, context.features_VNF(job.backbone).shape[-1], classes, seed)
    else:
        first = context.first_weights.get(job.backbone) if job.stage == 1 else None
        weights: Weights = first.path if first else "none"
        network = build(job.backbone, classes, image_size=context.suite.recipe.image_size, seed=seed, weights=weights)
    with seeded(seed, "architecture"):
        strategy.architecture(network, stage.facts)
    return FusionNetwork(network, vocabulary, classes, seed) if text else network


def _batcher(
    context: RunContext, job: Job, network: Network, strategy: Strategy, stage: Stage, tokens_NT: np.ndarray | None
) -> Batches:
    """Return the job's batcher, with the strategy's extra augmentation; `tokens_NT`: names, if they are read."""
    if isinstance(network, NameNetwork) and tokens_NT is not None:
        return NameBatcher(tokens_NT, context.device)
    pipeline = strategy.augmentation(stage.facts)
    if context.suite.recipe.frozen:
        augmented = context.augmented_features(job.backbone, job.stage, pipeline) if pipeline else None
        return FeatureBatcher(context.features_VNF(job.backbone), context.device, tokens_NT, augmented)
    make = functools.partial(
        Batcher, context.loaded.images_NHWC, context.suite.recipe, network.mean, network.std, context.device,
        resident_NHWC=context.resident_NHWC, tokens_NT=tokens_NT,
    )  # fmt: skip
    if pipeline is None:
        return make()
    strength_C = np.asarray(pipeline.strength_C)
    strength_N = np.where(stage.labels_N >= 0, strength_C[stage.labels_N], 0.0)
    if context.resident_NHWC is not None:
        return make(strength_N=strength_N, share=pipeline.share)
    from benchmarks.training.batching.augment import Augmenter  # slow to import

    augmenter = Augmenter(pipeline.strength_C, context.loaded.size)
    return make(augmenter=augmenter, strength_N=strength_N, share=pipeline.share)


def _predict(context: RunContext, training: Training) -> None:
    """Store the logits of the stage's test and validation rows, and the classifier's other outputs for them."""
    data, classes = training.stage.data, training.facts.num_classes
    arrays = {}
    test = outputs_of(training.network, training.batcher, data.test_rows, training.choice, classes, features=False)
    for name, outputs in {"test": test, "validation": validation_outputs(training)}.items():
        arrays[name] = outputs.logits_BC.numpy()
        arrays.update({f"{name}.{more}": tensor.numpy() for more, tensor in outputs.extra.items()})
    context.store.write_predictions(training.job.key, **arrays)
