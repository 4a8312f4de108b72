"""imbalanced-learn on rows and features: what it makes, against the papers; classes too small; what is drawn."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.running.job import resume, run_job
from benchmarks.running.session import Session
from benchmarks.training import loop as train
from strategies.base import Facts, Progress
from strategies.combining.expression import parse
from strategies.combining.seats import seats_of
from strategies.features.resampling import balanced, without_tomek_links
from strategies.registry import get, names
from tests.making import digits_session, digits_suite
from tests.planning.test_plan import EPOCHS, plan

FEATURE = [name for name in names() if name.startswith("feature-")]
FACTS = Facts((1,), ("not looked at",))


def clouds(counts: tuple[int, ...], spread: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points [N, 3] float32 around one centre per class, shuffled, and labels [N]."""
    draws = np.random.default_rng(seed)
    labels_N = draws.permutation(np.repeat(np.arange(len(counts)), counts))
    return (draws.normal(0, spread, (len(labels_N), 3)) + labels_N[:, None]).astype(np.float32), labels_N


def resampled(text: str, rows_NF: np.ndarray, labels_N: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    given = parse(text).resample_features(rows_NF, labels_N, FACTS, seed)
    assert given is not None
    return given


def nearest(of_NF: np.ndarray, among_MF: np.ndarray, k: int) -> np.ndarray:
    """Return the k nearest others [N, k] of rows that stand in both, by distance in float64."""
    distance_NM = ((of_NF[:, None].astype(np.float64) - among_MF[None]) ** 2).sum(2)
    order_NM = np.argsort(distance_NM, axis=1, kind="stable")
    assert (np.sort(distance_NM, axis=1)[:, 0] == 0).all()
    return order_NM[:, 1 : k + 1]


def bases(new_F: np.ndarray, rows_NF: np.ndarray, neighbours_Nk: np.ndarray) -> list[int]:
    """Return the rows i for which new = x_i + u (x_j - x_i), 0 <= u <= 1, with j a neighbour of i."""
    x_Nk = rows_NF[:, None].astype(np.float64)
    step_NkF = rows_NF[neighbours_Nk] - x_Nk
    u_Nk = ((new_F - x_Nk) * step_NkF).sum(2) / np.maximum((step_NkF**2).sum(2), 1e-30)
    off_Nk = np.abs(x_Nk + u_Nk[:, :, None] * step_NkF - new_F).max(2)
    return np.flatnonzero(((off_Nk < 1e-5) & (u_Nk > -1e-6) & (u_Nk < 1 + 1e-6)).any(1)).tolist()


def new_rows(text: str, rows_NF: np.ndarray, labels_N: np.ndarray, label: int) -> np.ndarray:
    made_MF, made_M = resampled(text, rows_NF, labels_N)
    np.testing.assert_array_equal(made_MF[: len(rows_NF)], rows_NF)
    np.testing.assert_array_equal(made_M[: len(rows_NF)], labels_N)
    return made_MF[len(rows_NF) :][made_M[len(rows_NF) :] == label]


def test_smote_interpolates_between_neighbours_of_one_class() -> None:
    rows_NF, labels_N = clouds((60, 12, 30))
    for label, count in ((1, 48), (2, 30)):
        own_NF = rows_NF[labels_N == label]
        new_MF = new_rows("feature-smote(k-neighbors=3)", rows_NF, labels_N, label)
        assert len(new_MF) == count
        assert all(bases(new_F, own_NF, nearest(own_NF, own_NF, 3)) for new_F in new_MF)
        assert len(np.unique(new_MF, axis=0)) == count


def test_borderline_smote_starts_from_the_samples_in_danger() -> None:
    rows_NF, labels_N = clouds((60, 12), spread=0.6)
    own_NF = rows_NF[labels_N == 1]
    foreign_N = (labels_N[nearest(own_NF, rows_NF, 10)] != 1).sum(1)
    danger = set(np.flatnonzero((foreign_N >= 5) & (foreign_N < 10)).tolist())
    assert 0 < len(danger) < 12
    new_MF = new_rows("feature-borderline-smote", rows_NF, labels_N, 1)
    assert len(new_MF) == 48
    assert all(danger & set(bases(new_F, own_NF, nearest(own_NF, own_NF, 5))) for new_F in new_MF)
    safe = set(range(12)) - danger
    smote_MF = new_rows("feature-smote", rows_NF, labels_N, 1)
    assert any(set(bases(new_F, own_NF, nearest(own_NF, own_NF, 5))) <= safe for new_F in smote_MF)


def test_adasyn_makes_most_where_neighbours_are_foreign() -> None:
    rows_NF, labels_N = clouds((80, 15), spread=0.7)
    own_NF = rows_NF[labels_N == 1]
    ratio_N = (labels_N[nearest(own_NF, rows_NF, 5)] != 1).mean(1)
    expected_N = np.rint(ratio_N / ratio_N.sum() * 65).astype(int)
    assert (expected_N == 0).any(), "some samples have no foreign neighbour"
    new_MF = new_rows("feature-adasyn", rows_NF, labels_N, 1)
    assert len(new_MF) == expected_N.sum()
    fed = set(np.flatnonzero(expected_N).tolist())
    assert all(fed & set(bases(new_F, own_NF, nearest(own_NF, own_NF, 5))) for new_F in new_MF)


def test_tomek_links_lose_both_ends_and_nothing_else_goes() -> None:
    rows_NF, labels_N = clouds((60, 25, 6), spread=0.8)
    distance_NN = ((rows_NF[:, None].astype(np.float64) - rows_NF[None]) ** 2).sum(2)
    np.fill_diagonal(distance_NN, np.inf)
    first_N = distance_NN.argmin(1)
    linked_N = (first_N[first_N] == np.arange(len(labels_N))) & (labels_N[first_N] != labels_N)
    assert 4 <= linked_N.sum() < 60
    kept_MF, kept_M = without_tomek_links(rows_NF, labels_N)
    np.testing.assert_array_equal(kept_MF, rows_NF[~linked_N])
    np.testing.assert_array_equal(kept_M, labels_N[~linked_N])
    smote_M, both_M = (resampled(f"feature-smote{end}", rows_NF, labels_N)[1] for end in ("", "-tomek"))
    assert len(both_M) < len(smote_M), "links are removed after the balancing"


def test_a_class_all_of_whose_samples_are_linked_keeps_them() -> None:
    rows_NF = np.array([[0.0], [0.1], [5.0], [9.0]], dtype=np.float32)
    kept_MF, kept_M = without_tomek_links(rows_NF, np.array([0, 1, 0, 0]))
    assert kept_M.tolist() == [1, 0, 0] and kept_MF[0] == np.float32(0.1)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 1, 2, 3, 5, 6, 17]), min_size=1, max_size=5).filter(any), st.integers(0, 99))
@pytest.mark.parametrize("name", FEATURE)
def test_classes_of_any_size_come_out_balanced_and_finite(name: str, counts: list[int], seed: int) -> None:
    rows_NF, labels_N = clouds(tuple(counts), seed=seed)
    made_MF, made_M = resampled(name, rows_NF, labels_N, seed)
    assert made_MF.dtype == np.float32 and np.isfinite(made_MF).all() and len(made_MF) == len(made_M)
    assert set(made_M) == set(labels_N), "an empty class stays empty, no other is lost"
    made_C = np.bincount(made_M)[np.unique(labels_N)]
    if name in ("feature-smote", "feature-borderline-smote"):
        assert set(made_C) == {max(counts)}
    elif name == "feature-adasyn":
        assert abs(made_C - max(counts)).max() <= 5
    again_MF, _ = resampled(name, rows_NF, labels_N, seed)
    np.testing.assert_array_equal(made_MF, again_MF)


def test_a_single_sample_is_repeated_and_separate_classes_are_grown_by_smote() -> None:
    rows_NF, labels_N = clouds((30, 1, 8), spread=0.01)
    for name in ("feature-smote", "feature-borderline-smote", "feature-adasyn"):
        made_MF, made_M = resampled(name, rows_NF, labels_N)
        assert np.bincount(made_M).tolist() == [30, 30, 30], f"{name} would do nothing to classes so far apart"
        assert len(np.unique(made_MF[made_M == 1], axis=0)) == 1
        assert len(np.unique(made_MF[made_M == 2], axis=0)) == 30


def test_the_seed_decides_and_what_is_made_is_bounded() -> None:
    rows_NF, labels_N = clouds((300, 40, 3))
    one, other = (resampled("feature-smote", rows_NF, labels_N, seed)[0] for seed in (1, 2**62 + 1))
    assert one.shape == other.shape and not np.array_equal(one, other)
    made_MF, made_M = balanced(rows_NF, labels_N, 0, parse("feature-smote").sampler, 5, most_rows=240)
    assert np.bincount(made_M).tolist() == [80, 80, 80] and made_MF.shape == (240, 3)
    kept = {row.tobytes() for row in made_MF[made_M == 0]}
    assert len(kept) == 80 and kept <= {row.tobytes() for row in rows_NF[labels_N == 0]}


@pytest.mark.parametrize("name", FEATURE)
def test_the_representation_is_plain_trainings_and_what_crt_shares(name: str) -> None:
    made = plan("none", "crt", name)
    plain, crt, cell = made.cells
    assert cell.jobs[0][0] == plain.jobs[0][0] == crt.jobs[0][0]
    own = [made.jobs[key] for key in set(cell.jobs[0]) - set(plain.jobs[0])]
    phases = [job.segment.phase for job in own]
    assert [(p.on, p.trains, p.start, p.end) for p in phases] == [("features", "classifier", 9, EPOCHS)]


def test_the_next_stage_starts_from_the_representation_and_is_shared() -> None:
    made = plan("none", *FEATURE)
    second = {cell.jobs[1][:-1] for cell in made.cells[1:]}
    assert len(second) == 1, "plain training of stage 2 from the same representation"
    first = made.jobs[next(iter(second))[0]]
    assert first.parent == made.cells[1].jobs[0][0] and not first.continues
    # plain: 10 + 10; stage 1: an epoch each; stage 2: 9 from the representation at 9, and an epoch each
    assert made.epochs_executed() == 20 + len(FEATURE) + 9 + len(FEATURE)


def drawn(training: train.Training, epochs: int = 2) -> np.ndarray:
    """Return how often each class is drawn in an epoch, measured over some epochs."""
    stored = training.stored
    labels = training.stage.labels_N if stored is None else stored.labels_M
    every = [train.epoch_rows(training, Progress(e, 3), (0, 1, e)) for e in range(epochs)]
    assert all(len(rows) == len(training.stage.data.train_rows) for rows in every), "steps are everyone's"
    return np.bincount(labels[np.concatenate(every)], minlength=training.facts.num_classes) / epochs


def last_training(session: Session) -> train.Training:
    *before, last = (session.plan.jobs[key] for key in session.plan.cells[0].jobs[0])
    for job in before:
        run_job(session.context, job)
    return resume(session.context, last)[0]


FIVE = Facts((60, 30, 12, 6, 3), tuple("abcde"), validation_accuracy_C=(0.9, 0.8, 0.5, 0.2, 0.1))
TAILED = digits_suite({"epochs": {"head": 2, "tail": 1}})


NOT_ROWS = (*FEATURE, "crt", "lws", "mislas")  # draw in their second part, which other tests look at
SAMPLERS = [name for name in names() if "sampler" in seats_of(get(name)()) and name not in NOT_ROWS]


@pytest.mark.parametrize("text", ["none", *SAMPLERS, "drs(start=0.5)+random-over"])
def test_the_rows_that_a_sampler_draws_are_counted(shared: train.Training, text: str) -> None:
    training = dataclasses.replace(shared, strategy=parse(text), facts=FIVE)
    share_C, data_C = drawn(training, 3) / FIVE.counts.sum(), FIVE.counts / FIVE.counts.sum()
    more = share_C[3:].sum() / data_C[3:].sum()
    assert more == pytest.approx(1) if text == "none" else more > 1.4, f"a sampler that does nothing shows: {share_C}"
    if text.endswith("random-over"):
        assert np.abs(share_C - 0.2).max() < 0.06, f"every class is as large as the largest: {share_C}"


@pytest.mark.parametrize("name", FEATURE)
def test_the_features_that_a_resampler_gives_are_counted(tmp_path: Path, name: str) -> None:
    training = last_training(digits_session(tmp_path, TAILED, strategies=(name,)))
    _tail(training)
    before_C = training.stage.counts(training.stage.data.train_rows)
    train.run(training, lambda *_: None, lambda _: None)
    share_C = drawn(training) / len(training.stage.data.train_rows)
    assert before_C.max() > 4 * before_C[before_C > 0].min()
    assert abs(share_C - 0.2).max() < 0.06, f"a resampler that did nothing would show here: {share_C}"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> train.Training:
    """A training of plain cross entropy on five classes of 60 to 3 rows, which no test changes."""
    training = last_training(digits_session(tmp_path_factory.mktemp("shared"), TAILED))
    _tail(training)
    return training


def _tail(training: train.Training) -> None:
    """Leave the classes as many training rows as `FIVE` says."""
    data = training.stage.data
    labels = training.stage.labels_N[data.train_rows]
    rows = np.concatenate([data.train_rows[labels == c][:n] for c, n in enumerate(FIVE.counts_C)])
    object.__setattr__(data, "train_rows", rows)
