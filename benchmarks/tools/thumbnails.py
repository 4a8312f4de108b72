"""Pictures of test rows for a report: the rows of each class on which strategies differ most."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data.load import cache_folder, load
from benchmarks.leaderboard.report.content import Pictures
from benchmarks.leaderboard.sections import BASELINE, Section
from benchmarks.planning.stages import Stage, make_stages, rows_key
from benchmarks.records.bits import unpack_bits
from benchmarks.support.errors import UserError
from benchmarks.tools.recorded import Recorded

SIZE, QUALITY = 64, 75  # pixels a side, and of the JPEG files: about 2 kB each
MOST_OF_CLASS, MOST = 8, 1000  # pictures of a class and of a page, which has to stay below 4 MB


def thumbnails(data: Path | None) -> Callable[[Section], Pictures]:
    """Return what makes the pictures of a section, from the images at `data` (None where the dataset needs no path).

    It raises UserError where the data are missing or other than those of the records.
    """

    def of_section(section: Section) -> Pictures:
        """Load the images of the section's data and make its pictures."""
        record = section.first
        asked = Recorded(record=record).suite
        loaded = load(
            record.setup.dataset,
            path=data,
            size=SIZE,
            cache=cache_folder(),
            options=asked.options,
            split=asked.split,
        )
        classes = sum(len(stage.classes) for stage in record.stages)
        most = max(1, min(MOST_OF_CLASS, MOST // classes))
        found = []
        for k, stage in enumerate(make_stages(loaded, asked)):
            rows = stage.data.test_rows
            if rows_key(loaded, rows) != record.stages[k].rows_key:
                given = f"the data at {data}" if data else f"the dataset {record.setup.dataset!r}"
                raise UserError(
                    f"the test rows of {record.suite} are not those of {given}; give the data that it was run on with "
                    "--data PATH, or leave --thumbnails out."
                )
            found.append(_of_stage(section, k, stage, loaded.images_NHWC, most))
        return found

    return of_section


def _of_stage(section: Section, position: int, stage: Stage, images_NHWC: np.ndarray, most: int) -> list[list[Any]]:
    """Return (position within the class, data URI) of at most that many rows of each class, most different first."""
    rows_N = np.asarray(stage.data.test_rows)
    rows_N = rows_N[np.argsort(stage.labels_N[rows_N], kind="stable")]  # class by class, as the bits of records
    differs_N, start, found = _differences(section, position), 0, []
    for size in section.first.stages[position].test_n:
        own_N = differs_N[start : start + size]
        order = [int(n) for n in np.argsort(-own_N, kind="stable")[:most] if own_N[n] > 0]
        found.append([(n, _picture(images_NHWC[rows_N[start + n]])) for n in order])
        start += size
    return found


def _differences(section: Section, position: int) -> np.ndarray:
    """Return how far the strategies' share of hits is from plain training's, summed over strategies, float64 [N].

    Without plain training: from the mean of all.
    """
    rows = section.first.stages[position].rows
    hits_EN = np.array(
        [
            np.mean([unpack_bits(record.stages[position].top1_bits, rows) for record in entry.records], axis=0)
            for entry in section.entries
        ]
    )
    plain = next((hits_N for e, hits_N in zip(section.entries, hits_EN, strict=True) if BASELINE in e.names), None)
    reference_N = hits_EN.mean(axis=0) if plain is None else plain
    return np.round(np.abs(hits_EN - reference_N).sum(axis=0), 9)


def _picture(image_HWC: np.ndarray) -> str:
    """Return the image as a data URI."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image_HWC)).save(buffer, format="JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
