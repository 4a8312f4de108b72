"""Which job starts when: parents first, the longest path first, and what a failure takes with it."""

from __future__ import annotations

import dataclasses

from benchmarks.planning.estimate import Outlook
from benchmarks.planning.plan import Cell, Plan
from benchmarks.running.graph import Graph, ancestors, paths
from tests.making import plain_job

# a -> a2, a3; b alone; c -> c2
PARENTS = {"a": None, "b": None, "c": None, "a2": "a", "a3": "a", "c2": "c"}
JOBS = {key: plain_job(key, "b", parent=parent) for key, parent in PARENTS.items()}
SECONDS = {"a": 5.0, "b": 8.0, "c": 1.0, "a2": 2.0, "a3": 6.0, "c2": 1.0}
CELLS = tuple(
    Cell("b", "s", 0, tuple((key,) for key in keys), "+".join(keys))
    for keys in (("a", "a2"), ("a", "a3"), ("b",), ("c", "c2"))
)


def _graph(cells: tuple[Cell, ...] = CELLS) -> Graph:
    return Graph(Plan(JOBS, CELLS), cells, list(JOBS.values()), SECONDS)


def test_the_longest_path_counts_from_a_jobs_start_to_the_last_end() -> None:
    assert paths(JOBS, SECONDS) == {"a": 11.0, "b": 8.0, "c": 2.0, "a2": 2.0, "a3": 6.0, "c2": 1.0}
    assert paths(JOBS, {"a3": 6.0})["a"] == 6.0


def test_one_place_takes_the_longest_path_first_and_children_only_after_their_parents() -> None:
    graph, order = _graph(), []
    while graph.open:
        job = graph.ready()[0]
        graph.take(job)
        assert job not in graph.ready()
        graph.done(job)
        order.append(job.key)
    assert order == ["a", "b", "a3", "c", "a2", "c2"]


def test_what_jobs_took_orders_those_of_their_backbone_that_are_left() -> None:
    slow, quick, first = (
        dataclasses.replace(JOBS["b"], key=key, backbone=key[:4]) for key in ("slow", "fast", "fast1")
    )
    jobs = {job.key: job for job in (first, quick, slow)}
    outlook = Outlook({}, frozenset(), tuple(jobs.values()), dict.fromkeys(jobs, 100), dict.fromkeys(jobs, 1.0), {})
    graph = Graph(Plan(jobs, ()), (), list(jobs.values()), outlook.seconds)
    assert [job.key for job in graph.ready()] == ["fast1", "fast", "slow"]  # nothing is known: in the plan's order
    graph.take(first)
    graph.done(first)
    graph.expect(outlook.learned({"fast": (100, 0.5), "slow": (0, 0.0)}))
    assert [job.key for job in graph.ready()] == ["slow", "fast"]
    assert outlook.learned({"slow": (50, 20.0)}) == {"fast": 1.0, "fast1": 1.0, "slow": 40.0}


def test_a_job_that_is_to_be_done_again_is_ready_again() -> None:
    graph = _graph()
    first = graph.ready()[0]
    graph.take(first)
    graph.again(first)
    assert graph.ready()[0] == first


def test_what_is_lost_is_done_once_more_before_what_starts_from_it() -> None:
    graph = _graph()
    for key in ("a", "a2"):
        graph.take(JOBS[key])
    graph.done(JOBS["a"])
    graph.reopen([JOBS[key] for key in ancestors(Plan(JOBS, CELLS), JOBS["a2"])])
    graph.again(JOBS["a2"])
    assert [job.key for job in graph.ready()] == ["a", "b", "c"]
    graph.take(JOBS["a"])
    graph.reopen([JOBS["a"]])  # another job that starts from it says the same: it is at work already
    assert graph.is_open("a") and [job.key for job in graph.ready()] == ["b", "c"]


def test_a_failure_fails_what_starts_from_it_and_settles_those_cells_once() -> None:
    graph = _graph(tuple(cell for cell in CELLS if cell.key != "b"))
    assert list(graph.settled()) == []
    graph.fail(JOBS["a"], "no luck")
    assert graph.failed == dict.fromkeys(("a", "a2", "a3"), "no luck")
    assert [(cell.key, reason) for cell, reason in graph.settled()] == [("a+a2", "no luck"), ("a+a3", "no luck")]
    graph.done(JOBS["c"])
    assert list(graph.settled()) == []
    graph.done(JOBS["c2"])
    assert [(cell.key, reason) for cell, reason in graph.settled()] == [("c+c2", None)]
    assert graph.open == 1  # b, which is trained all the same
