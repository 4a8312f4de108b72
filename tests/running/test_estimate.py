"""What a plan is expected to take: the speed behind it, where that comes from, and jobs side by side."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import pytest

from backbones.probe import Choice
from benchmarks.planning.store import JobResult
from benchmarks.running.estimate import look
from tests.making import BACKBONE, digits_session


def test_an_estimate_names_its_source_and_age_and_learns_from_finished_jobs(tmp_path: Path) -> None:
    session = digits_session(tmp_path, strategies=("none", "oversample"))
    at = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3, hours=2)).isoformat()
    choice = Choice("contiguous", "float32", {"contiguous float32": 50.0}, at)
    context = dataclasses.replace(session.context, choices={BACKBONE: choice})
    first = look(session.plan, context, {})
    assert (first.img_per_s[BACKBONE], first.sources[BACKBONE]) == (50.0, "timed 3 days ago")
    assert first.minutes == pytest.approx(sum(first.images.values()) / 50 / 60)
    side_by_side = look(session.plan, dataclasses.replace(context, jobs=2), {})
    assert side_by_side.minutes == pytest.approx(first.minutes / 2)
    loaded = dataclasses.replace(choice, busy=True, at=datetime.datetime.now(datetime.UTC).isoformat())
    under_load = look(session.plan, dataclasses.replace(context, choices={BACKBONE: loaded}), {})
    assert under_load.sources[BACKBONE] == "timed within the last hour while the machine was busy"

    key = next(iter(session.plan.jobs))
    (context.store.folder(key)).mkdir(parents=True)
    context.store.finish(JobResult(key, 2.0, 400, 1, (1.0,), 0))
    learned = look(session.plan, context, {})
    assert (learned.img_per_s[BACKBONE], learned.sources[BACKBONE]) == (200.0, "measured in 1 finished job")
