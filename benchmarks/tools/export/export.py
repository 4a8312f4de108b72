"""Write a trained cell as a folder that works without this package: for the command `export`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.planning.store import Store
from benchmarks.records.record import Record
from benchmarks.support.errors import UserError
from benchmarks.tools.export import card, posthoc, refuse
from benchmarks.tools.export.graph import Classify, to_onnx
from benchmarks.tools.export.model import (
    CALIBRATION,
    CARD,
    FORMAT,
    GRAPH,
    LABELS,
    MANIFEST,
    PREPROCESSING,
    WEIGHTS,
    Manifest,
    Preprocessing,
)  # fmt: skip
from benchmarks.tools.export.tensors import Tensors, folded, tensors_of
from benchmarks.tools.export.trained import Advance, Say, TrainedStage, trained_stage
from benchmarks.tools.recorded import Recorded
from strategies.combining.expression import parse
from strategies.posthoc.calibration import log_softmax, temperature

LEAST_ROWS = 30  # validation rows; on fewer, one mistake more or less would change the temperature greatly
COMPARED = 8  # rows on which torch and ONNX Runtime are compared


def export(
    cell: Recorded, stage: str | None, out: Path, to: Path, say: Say, advance: Advance, chosen: Sequence[str] = ()
) -> Tensors:
    """Export a stage of a cell (None: the last) to the folder `to`, atomically; its trained state is below `out`.

    `chosen`: sentences on how the cell was chosen, for the model card. Returns the weights.
    A stage whose trained state was removed is trained again. Raises UserError for what cannot be exported, for missing
    libraries, data or weights, and for a folder that is not empty; if possible, before anything is loaded.
    """
    record = cell.record
    name = _stage_name(record, stage)
    refuse.require_one_network(parse(record.strategy))
    refuse.require_libraries()
    refuse.require_place(to)
    with tempfile.TemporaryDirectory() as scratch:
        session, planned = cell.plan_again(Path(scratch), lambda line: None)
        if record.key != planned.key:
            raise UserError(
                f"{record.name} was trained on other data or by another version, whose states this version cannot "
                f"continue; train it again with `{cell.command}`, then export it."
            )
        trained = trained_stage(session, planned, record, name, Store(out), say, advance)
        images_NHWC = session.context.loaded.images_NHWC
        return _write(cell, to, trained, chosen, np.array(images_NHWC[trained.stage.data.test_rows[:COMPARED]]))


def _stage_name(record: Record, name: str | None) -> str:
    """Return the stage that is meant, the last by default. Raises UserError for one that the record does not have."""
    known = [stage.name for stage in record.stages]
    if name is not None and name not in known:
        raise UserError(f"{record.name} has no stage {name!r}; it has {' and '.join(known)}.")
    return name or known[-1]


def _write(cell: Recorded, to: Path, trained: TrainedStage, chosen: Sequence[str], images_BSS3: np.ndarray) -> Tensors:
    """Write all files into a temporary folder next to the target, then rename it; return the weights."""
    record, network, strategy = cell.record, trained.network, parse(cell.record.strategy)
    given = trained.held if len(trained.labels_N) else trained.test
    correction = posthoc.correction_of(strategy, given, trained.stage.facts)
    degrees = 1.0
    if len(trained.labels_N) >= LEAST_ROWS:
        degrees = temperature(correction(trained.held.logits_BC.numpy()), trained.labels_N)
    in_graph = correction
    if linear := folded(network.classifier, correction):
        network.classifier, in_graph = linear, posthoc.none(trained.stage.facts.num_classes)
    preprocessing = Preprocessing(
        size=record.setup.image_size, mean=[float(v) for v in trained.mean], std=[float(v) for v in trained.std]
    )
    model = Classify(network, in_graph, degrees, mean=trained.mean, std=trained.std, mirror=trained.mirror)
    tensors = tensors_of(network, preprocessing.size)
    graph = to_onnx(model, preprocessing.size, images_BSS3, record.name)
    labels_N = trained.stage.labels_N[trained.stage.data.test_rows]
    facts = card.Facts(
        record=record, result=trained.result, command=cell.command, preprocessing=preprocessing,
        tensors=tensors, temperature=degrees,
        fitted=len(trained.labels_N) >= LEAST_ROWS, corrected=not correction.neutral, mirror=trained.mirror,
        nll=tuple(_nll(correction(trained.test.logits_BC.numpy()), labels_N, t) for t in (1.0, degrees)),  # type: ignore[arg-type]
        again=trained.again, chosen=tuple(chosen),
    )  # fmt: skip
    calibration = {
        "temperature": degrees,
        "validation_rows": len(trained.labels_N),
        "scale": in_graph.scale_C.tolist(),
        "shift": in_graph.shift_C.tolist(),
    }
    to.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    try:
        tensors.save(place / WEIGHTS)
        (place / GRAPH).write_bytes(graph)
        (place / LABELS).write_text(_json(list(trained.stage.names)), encoding="utf-8")
        (place / PREPROCESSING).write_text(_json(preprocessing.model_dump()), encoding="utf-8")
        (place / CALIBRATION).write_text(_json(calibration), encoding="utf-8")
        (place / CARD).write_text(card.card(facts), encoding="utf-8")
        (place / MANIFEST).write_text(_json(_manifest(record, trained, place).model_dump()), encoding="utf-8")
        for path in place.iterdir():
            os.chmod(path, 0o644)
        os.chmod(place, 0o755)  # mkdtemp and safetensors make them private
        os.replace(place, to)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return tensors


def _manifest(record: Record, trained: TrainedStage, place: Path) -> Manifest:
    """Return what `model.json` says of the files in `place`."""
    return Manifest(
        format=FORMAT, suite=record.suite, backbone=record.backbone, strategy=record.strategy, seed=record.seed,
        stage=trained.result.name, key=record.key, fingerprint=record.setup.fingerprint,
        files={path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(place.iterdir())},
    )  # fmt: skip


def _nll(logits_NC: np.ndarray, labels_N: np.ndarray, degrees: float) -> float:
    """Return the mean of -log softmax(z / T)_y; NaN without rows."""
    if not len(labels_N):
        return float("nan")
    return float(-log_softmax(logits_NC, degrees)[np.arange(len(labels_N)), labels_N].mean())


def _json(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
