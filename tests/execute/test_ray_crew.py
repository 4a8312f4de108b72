"""The crew and the driver's answer to losses, with Ray's part played: what clusters do now and then only."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import attempts
from benchmarks.errors import UserError
from benchmarks.execute.graph import Graph
from benchmarks.execute.ray_cluster import Share
from benchmarks.outlook import look
from benchmarks.pending import pending
from benchmarks.report import Reporter
from benchmarks.store import JobResult
from tests.making import digits_session

pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
import ray

from benchmarks.execute import on_ray, ray_crew
from benchmarks.execute.ray_worker import About, News

ONE = Share(num_cpus=1, num_gpus=0, threads=1, device="cpu")
DIES = ray.exceptions.RaySystemError("out of order")


class Played:
    """Ray as far as a crew needs it: what each awaited thing comes to, an exception or a value, is in `answers`."""

    exceptions = ray.exceptions

    def __init__(self) -> None:
        self.answers: dict[Any, Any] = {}
        self.asked: list[str] = []  # of each actor, in order, what its `about` awaits

    def remote(self, _: type) -> Any:
        def hire(_: Any) -> Any:
            self.asked.append(f"about {len(self.asked)}")
            about = self.asked[-1]
            return SimpleNamespace(about=SimpleNamespace(remote=lambda: about))

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=hire))

    def put(self, value: Any) -> Any:
        return value

    def kill(self, actor: Any) -> None:
        pass

    def wait(self, waiting: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return [one for one in waiting if one in self.answers or not isinstance(one, str)], []

    def get(self, what: Any) -> Any:
        answer = self.answers.pop(what) if isinstance(what, str) else what
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Return what plays Ray for the crew."""
    monkeypatch.setattr(ray_crew, "ray", found := Played())
    return found


def _crew() -> Any:
    return ray_crew.Crew(None, ONE)  # type: ignore[arg-type]


def _listen(crew: Any) -> list[Any]:
    return [told for _, told in crew.news(0.0)]


def test_where_all_fail_to_start_the_run_ends_in_a_sentence(played: Played) -> None:
    crew = _crew()
    for _ in range(ray_crew.MOST_BROKEN):
        crew.hire(1)
        played.answers[played.asked[-1]] = DIES
        assert not _listen(crew)
    crew.hire(1)
    with pytest.raises(UserError, match="workers do not start on the Ray cluster: .*out of order"):
        _listen(crew)


def test_while_one_may_still_start_those_that_fail_end_nothing_for_a_time(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew = _crew()
    crew.hire(ray_crew.MOST_BROKEN + 1)
    for about in played.asked[1:]:
        played.answers[about] = DIES
    _listen(crew)
    _listen(crew)  # one is left, for which a node may be starting
    monkeypatch.setattr(ray_crew, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(UserError, match="do not start"):
        _listen(crew)


def test_one_that_is_up_does_the_work_whatever_others_do(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_crew, "PATIENCE_SECONDS", 0.0)
    crew = _crew()
    crew.hire(1 + ray_crew.MOST_BROKEN)
    played.answers[played.asked[0]] = About("here (1)", "node", 1, True)
    _listen(crew)
    assert crew.up == 1
    for about in played.asked[1:]:
        played.answers[about] = DIES
    _listen(crew)
    crew.hire(4)
    assert len(played.asked) == 1 + ray_crew.MOST_BROKEN  # no more are asked for
    assert not _listen(crew)


def _at_work(crew: Any, played: Played, *news: Any) -> None:
    """Let a worker come up and take a job that tells `news`."""
    crew.hire(1)
    played.answers[played.asked[-1]] = About("here (1)", "node", 1, True)
    _listen(crew)
    (member,) = crew.idle()
    member.job, member.waiting, member.began = "job", iter(news), False


def test_a_loss_says_whether_the_job_had_begun(played: Played) -> None:
    for news, began in ([DIES], False), ([News(), DIES], True):
        crew = _crew()
        _at_work(crew, played, *news)
        lost = [one for _ in news for one in _listen(crew)][-1]
        assert lost.began == began and "out of order" in lost.reason


class Lines(Reporter):
    """Keeps what was noted and lost."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.lost: list[str] = []

    def note(self, line: str) -> None:
        self.notes.append(line)

    def job_lost(self, job: Any, reason: str) -> None:
        self.lost.append(reason)


def _run(tmp_path: Path, crew: Any) -> tuple[Any, Lines, Any]:
    """Return a run with one job taken, what it tells, and the worker that has the job."""
    session = digits_session(tmp_path / "out", strategies=("none",))
    plan, shop, lines = session.plan, session.shop, Lines()
    outlook = look(plan, shop, {})
    graph = Graph(plan, plan.cells, pending(plan, shop.store, plan.cells).values(), outlook.seconds)
    run = on_ray._Run(plan, shop, tmp_path / "out", lines, graph, crew, outlook)
    (job, *_) = graph.ready()
    graph.take(job)
    return run, lines, ray_crew.Member(None, None, About("here (1)", "node", 1, True), job)


def test_a_worker_that_dies_before_its_job_began_costs_no_attempt_but_only_once(tmp_path: Path) -> None:
    run, lines, member = _run(tmp_path, SimpleNamespace(up=1))
    job, work = member.job, run._shop.store.work
    run.hear(member, ray_crew.Lost("its node is gone", began=False))
    assert not attempts.of(work, job.key).reasons and not lines.notes
    assert job in run._graph.ready() and lines.lost == ["its node is gone"]
    run.hear(member, ray_crew.Lost("its node is gone", began=False))
    assert len(attempts.of(work, job.key).reasons) == 1 and "its node is gone" in lines.notes[0]


def test_a_result_that_a_shared_folder_shows_late_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, lines, member = _run(tmp_path, SimpleNamespace(up=1, free=lambda member: None))
    slept: list[float] = []
    results = iter([None, None, JobResult(member.job.key, 2.0, 400, 1, (1.0,), 0)])
    monkeypatch.setattr(run._shop.store, "result", lambda key: next(results))
    monkeypatch.setattr(on_ray.time, "sleep", slept.append)
    run.hear(member, News(ended=True))
    assert len(slept) == 2 and not lines.notes and not run._graph.is_open(member.job.key)
    assert run._spent == {member.job.backbone: (400, 2.0)}

    monkeypatch.setattr(on_ray, "SHOWS_SECONDS", 0.0)
    run, lines, member = _run(tmp_path, SimpleNamespace(up=1, free=lambda member: None))
    run.hear(member, News(ended=True))
    assert lines.lost == ["it left no result"]


def test_a_run_without_workers_says_once_that_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "QUIET_SECONDS", 0.0)
    crew = SimpleNamespace(up=0)
    run, lines, _ = _run(tmp_path, crew)
    run.note_wait()
    run.note_wait()
    assert len(lines.notes) == 1 and "no worker is up yet" in lines.notes[0]
    crew.up = 1
    run, lines, _ = _run(tmp_path, crew)
    run.note_wait()
    crew.up = 0
    run.note_wait()
    assert not lines.notes
