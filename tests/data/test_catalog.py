"""The drawn catalogue: its counts, its columns, and that its rows depend on the seed and on nothing else."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks.data import catalog
from benchmarks.data.base import Source
from benchmarks.data.drawing.articles import ARTICLES
from benchmarks.data.fashion import even_years
from benchmarks.support.errors import UserError
from tests.process import script

DIGEST = """
import hashlib
from benchmarks.data import catalog
source = catalog.open_source(seed=3, rows_scale=0.01)
print(source.stamp, hashlib.sha256(repr((source.ids, source.labels, source.texts, source.extra)).encode()).hexdigest())
pixels = {row: hashlib.sha256(source.read(row).tobytes()).hexdigest() for row in ORDER(range(len(source.ids)))}
print(sorted(pixels.items()))
"""


@pytest.fixture(scope="module")
def source() -> Source:
    return catalog.open_source()


def _training(source: Source) -> Counter[str]:
    return Counter(label for label, train in zip(source.labels, source.train, strict=True) if train)


def _testing(source: Source) -> Counter[str]:
    return Counter(label for label, train in zip(source.labels, source.train, strict=True) if not train)


def test_the_counts_are_those_the_docstring_states(source: Source) -> None:
    training, testing = _training(source), _testing(source)
    assert (training.total(), len(training)) == (4121, 45)
    assert (testing.total(), len(testing)) == (2480, 45)


def test_the_tail_is_long_and_the_border_of_the_head_is_clear(source: Source) -> None:
    ranked = [count for _, count in _training(source).most_common()]
    assert ranked[0] / ranked[-1] >= 100
    assert ranked[19] > ranked[20], "the twenty head classes must not depend on how ties are broken"
    assert sum(count < 20 for count in ranked) >= 8
    assert sum(20 <= count <= 100 for count in ranked) >= 10


def test_a_head_class_has_no_test_rows_and_a_test_class_was_never_trained(source: Source) -> None:
    training, testing = _training(source), _testing(source)
    assert set(training) - set(testing) == {"Sarees"}
    assert "Sarees" in [name for name, _ in training.most_common(20)]
    assert set(testing) - set(training) == {"Lipstick"}
    assert min(testing.values()) >= 15


def test_even_years_train(source: Source) -> None:
    np.testing.assert_array_equal(even_years(source.extra["year"]), source.train)


def test_a_class_has_one_place_in_the_shop(source: Source) -> None:
    places = zip(source.labels, source.extra["masterCategory"], source.extra["subCategory"], strict=True)
    assert len(set(places)) == len(set(source.labels))
    assert set(source.extra) == {"gender", "masterCategory", "subCategory", "baseColour", "season", "year", "usage"}
    assert all(cell for column in source.extra.values() for cell in column)


def test_names_inform_but_do_not_decide(source: Source) -> None:
    assert source.texts is not None
    named = [(text, ARTICLES[label]) for text, label in zip(source.texts, source.labels, strict=True)]
    missing = sum(not text for text, _ in named) / len(named)
    own = sum(any(word in text for word in article.words) for text, article in named) / len(named)
    shelf = [text for text, article in named if any(text.endswith(f" {word}") for word in article.group.family)]
    lying = sum(
        bool(text)
        and article.neighbour != article.name
        and any(text.endswith(f" {word}") for word in ARTICLES[article.neighbour].words)
        for text, article in named
    )
    assert 0.01 < missing < 0.06
    assert dict(source.notes)["products without a name"] == sum(not text for text, _ in named)
    assert 0.55 < own < 0.9
    assert len(shelf) > 0.1 * len(named)
    assert lying > 50


def test_every_neighbour_is_a_class() -> None:
    assert {article.neighbour for article in ARTICLES.values()} <= set(ARTICLES)
    assert {"Tops", "Tunics"} == {ARTICLES["Tshirts"].neighbour, ARTICLES["Tops"].neighbour}


def test_every_class_is_drawn_as_a_small_photograph() -> None:
    source = catalog.open_source(rows_scale=0.001)
    for row in range(len(source.ids)):
        image_HW3 = source.read(row)
        assert isinstance(image_HW3, np.ndarray)
        assert (image_HW3.shape, image_HW3.dtype) == ((80, 60, 3), np.uint8)
        assert image_HW3.std() > 3, f"{source.labels[row]} is an empty picture"
    assert set(source.labels) == set(ARTICLES)


def test_pictures_of_a_class_differ(source: Source) -> None:
    rows = [row for row, label in enumerate(source.labels) if label == "Tshirts"][:40]
    assert len({hashlib.sha256(source.read(row).tobytes()).digest() for row in rows}) == len(rows)  # type: ignore[union-attr]


def test_colours_are_in_rgb_order(source: Source) -> None:
    red: list[float] = []
    blue: list[float] = []
    for row, label in enumerate(source.labels):
        if label == "Handbags" and source.extra["baseColour"][row] in ("Red", "Blue"):
            mean_3 = np.asarray(source.read(row)).reshape(-1, 3).mean(0)
            (red if source.extra["baseColour"][row] == "Red" else blue).append(mean_3[0] - mean_3[2])
    assert np.mean(red) > 5 > -5 > np.mean(blue)


def test_rows_are_the_same_in_another_process_in_another_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exec(DIGEST.replace("ORDER", "list"), {})
    assert capsys.readouterr().out == script(tmp_path, DIGEST.replace("ORDER", "reversed")).stdout != ""


def test_threads_change_nothing(source: Source) -> None:
    rows = list(range(64))
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(source.read, rows))
    assert all(np.array_equal(source.read(row), image) for row, image in zip(rows, together, strict=True))  # type: ignore[arg-type]


def test_another_seed_is_another_catalogue_with_the_same_counts(source: Source) -> None:
    other = catalog.open_source(seed=1)
    assert other.stamp != source.stamp
    assert other.texts != source.texts
    assert (_training(other), _testing(other)) == (_training(source), _testing(source))


def test_fewer_rows_keep_every_class_and_are_told_apart_by_the_stamp(source: Source) -> None:
    small = catalog.open_source(rows_scale=0.05)
    assert small.stamp != source.stamp
    assert set(_training(small)) == set(_training(source))
    assert set(_testing(small)) == set(_testing(source))
    assert min(_training(small).values()) == 2
    assert len(small.ids) < 0.1 * len(source.ids)
    assert source.texts is not None
    assert small.texts is not None
    assert Counter(small.texts) - Counter(source.texts) == Counter(), "the rows that remain are the same ones"


@pytest.mark.parametrize("rows_scale", [0, -1, 1.5, float("nan")])
def test_a_scale_out_of_range_is_refused(rows_scale: float) -> None:
    with pytest.raises(UserError, match="above 0 and at most 1"):
        catalog.open_source(rows_scale=rows_scale)
