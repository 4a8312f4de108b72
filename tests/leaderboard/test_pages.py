"""What the pages say, read back from their tables."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.leaderboard import files, published
from benchmarks.records import storage
from tests.leaderboard import make

BOARD = Path("toy/leaderboard.md")
RANKINGS = ("Ranking", "Ranking: product name", "Ranking: all test rows together")
READS_NAMES = ("text-only", "text-fusion", "text-fallback", "text-fallback+oversample", "text-fallback+mixup")


def generate(tmp_path, *made):
    """Write the records and return the pages made from them."""
    for one in made:
        storage.write(one, tmp_path)
    return files.generate(tmp_path)


def tables(text: str, title: str) -> list[list[dict[str, str]]]:
    """Return the tables under each heading of that title, rows as dictionaries of their cells."""
    found = []
    for part in text.split("\n#")[1:]:
        heading, *lines = part.splitlines()
        if heading.lstrip("# ") == title:
            lines = [line.replace("\u00a0", " ") for line in lines if line.startswith("|")]
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
            found.append([dict(zip(rows[0], row, strict=True)) for row in rows[2:]])
    return found


def of_class(page: str, name: str) -> list[dict[str, str]]:
    """Return the table of the folded block of a class, a row per strategy."""
    [block] = [part for part in page.split("<details>") if part.startswith(f"<summary><b>{name}</b>")]
    return tables(f"\n# {name}\n{block.partition('</details>')[0]}", name)[0]


def staged(accuracy: float, seed: int = 0, **changes):
    """A record whose stages hit exactly this share of each class's rows."""
    test_n = (40, 20, 20)
    hits_N = np.concatenate([np.arange(n) < round(accuracy * n) for n in test_n])
    stages = tuple(make.stage_result(name, test_n=test_n, hits_N=hits_N) for name in ("head", "tail"))
    return make.record(stages, seed=seed, **changes)


def test_ranking_spread_best_and_difference(tmp_path):
    made = [staged(a, seed) for seed, a in enumerate((0.5, 0.6))]
    made += [staged(a, seed, strategy="better") for seed, a in enumerate((0.75, 0.85))]
    text = generate(tmp_path, *made)[BOARD]
    [ranking] = tables(text, "Ranking")
    assert [row["strategy"] for row in ranking] == ["better", "none"]
    assert [row["tail class mean"] for row in ranking] == ["**0.800** ± 0.071", "0.550 ± 0.071"]
    assert "2 seeds." in text
    assert [(row["group"], row["ranks"]) for row in ranking] == [("1", "1"), ("2", "2")]
    [against] = tables(text, "Against plain training")
    assert len(against) == 1
    assert against[0]["head top-1"].startswith("+0.250 [+")
    assert against[0]["head top-1"].endswith("▲")


def test_a_small_difference_is_not_marked(tmp_path):
    text = generate(tmp_path, staged(0.50), staged(0.55, strategy="same"))[BOARD]
    cell = tables(text, "Against plain training")[0][0]["tail class mean"]
    assert cell.startswith("+0.050 [")
    assert staged(0.5).stages[0].top1_hits != staged(0.55).stages[0].top1_hits
    worse = generate(tmp_path, staged(0.1, strategy="worse"))[BOARD]
    assert tables(worse, "Against plain training")[0][-1]["tail class mean"].endswith("▼")


def test_ties_are_all_marked(tmp_path):
    made = [staged(a, strategy=name) for name, a in (("none", 0.5), ("one", 0.8))]
    swapped = tuple(
        make.stage_result(s.name, test_n=s.test_n, hits_N=np.concatenate([np.arange(n) >= n / 5 for n in s.test_n]))
        for s in made[1].stages
    )
    made.append(make.record(swapped, strategy="two"))
    [ranking] = tables(generate(tmp_path, *made)[BOARD], "Ranking")
    assert [row["head top-1"] for row in ranking] == ["**0.800**", "**0.800**", "0.500"]


def test_what_is_right_on_the_same_rows_is_one_row(tmp_path):
    made = [staged(a, strategy=name) for name, a in (("none", 0.5), ("longer", 0.8), ("short", 0.8))]
    text = generate(tmp_path, *made)[BOARD]
    [ranking] = tables(text, "Ranking")
    assert [row["strategy"] for row in ranking] == ["short = longer", "none"]
    [against] = tables(text, "Against plain training")
    assert [row["strategy"] for row in against] == ["short = longer"]


def test_marks_are_corrected_for_the_comparisons_of_their_column(tmp_path):
    """One comparison of p = 0.015 is marked; the same among five is not."""
    rows = 200
    base = np.arange(rows) < 100

    def flipped(lost: int, won: int, strategy: str):
        hits = base.copy()
        hits[:lost] = False
        hits[100 : 100 + won] = True
        return make.record((make.stage_result(test_n=(rows,), train_n=(9,), hits_N=hits),), strategy=strategy)

    plain = make.record((make.stage_result(test_n=(rows,), train_n=(9,), hits_N=base),))
    alone = generate(tmp_path / "a", plain, flipped(5, 17, "one"))[BOARD]
    assert tables(alone, "Against plain training")[0][0]["all top-1"].endswith("▲")
    others = [flipped(k, k, f"s{k}") for k in range(1, 5)]
    among = generate(tmp_path / "b", plain, flipped(5, 17, "one"), *others)[BOARD]
    row = next(row for row in tables(among, "Against plain training")[0] if row["strategy"] == "one")
    assert row["all top-1"].startswith("+0.060 [+0.0")
    assert "▲" not in row["all top-1"]
    assert "Holm-corrected for the 5 comparisons" in among


def test_backbones_are_families_of_their_own_and_the_page_says_how_large(tmp_path):
    rows, base = 200, np.arange(200) < 100

    def cell(won: int, lost: int, strategy: str, backbone: str):
        hits_N = base.copy()
        hits_N[:lost], hits_N[100 : 100 + won] = False, True
        stage = make.stage_result(test_n=(rows,), train_n=(9,), hits_N=hits_N)
        return make.record((stage,), strategy=strategy, backbone=backbone)

    made = [cell(0, 0, "none", name) for name in ("one", "other")]
    made += [cell(17, 5, "s", "one"), *(cell(k, k, f"s{k}", "other") for k in range(1, 5))]
    text = generate(tmp_path, *made)[BOARD]
    marked = {row["strategy"]: row["all top-1"][-1] for row in tables(text, "Against plain training")[0]}
    assert marked["s"] == "▲" and "Holm-corrected for the comparisons of each column on the same backbone" in text
    assert "(one 1, other 4)" in text


def test_what_combinations_add_is_marked_after_correction(tmp_path):
    """One of p = 0.015 is marked alone and not among six."""
    rows, base = 200, np.arange(200) < 100

    def cell(won: int, lost: int, strategy: str):
        hits_N = base.copy()
        hits_N[:lost], hits_N[100 : 100 + won] = False, True
        return make.record((make.stage_result(test_n=(rows,), train_n=(9,), hits_N=hits_N),), strategy=strategy)

    def adds(out, *made):
        return {
            (row["combination"], row["part"]): row["all: the combination adds"][-1]
            for row in tables(generate(out, *made)[BOARD], "What combinations add to their parts")[0]
        }

    made = [cell(0, 0, "a"), cell(17, 5, "b"), cell(17, 5, "a+b")]
    assert adds(tmp_path / "few", *made) == {("a+b", "a"): "▲", ("a+b", "b"): "]"}
    made += [cell(k, k, name) for k, name in enumerate(("c", "a+c", "d", "a+d"), start=1)]
    assert adds(tmp_path / "many", *made)["a+b", "a"] == "]"


def test_a_worst_class_of_few_test_rows_says_so(tmp_path):
    hits_N = np.array([True] * 10 + [False] * 3)
    page = generate(tmp_path, make.record((make.stage_result(train_n=(9, 5), test_n=(10, 3), hits_N=hits_N),)))[BOARD]
    assert tables(page, "All classes")[0][0]["worst class"] == "0.000 all 1 (3 test rows)"


def test_names_and_images_are_ranked_apart(tmp_path):
    text = generate(tmp_path, staged(0.5), staged(0.9, strategy="text-only"), staged(0.6, strategy="focal"))[BOARD]
    assert [row["strategy"] for row in tables(text, "Ranking")[0]] == ["focal", "none"]
    assert [row["strategy"] for row in tables(text, "Ranking: product name")[0]] == ["text-only"]


def test_the_first_screen_has_twenty_rows_with_plain_training_and_folds_the_rest(tmp_path):
    made = [staged(0.1), *(staged(0.3 + 0.025 * k, strategy=f"s{k:02}") for k in range(27))]
    before, after = generate(tmp_path, *made)[BOARD].split("<details><summary>8 more")
    [shown] = tables(before, "Ranking")
    assert len(shown) == 20
    assert shown[-1]["strategy"] == "none"
    assert "**" in shown[0]["tail class mean"] and "**" not in after.split("</details>")[0]  # the best of all rows


def test_all_rankings_together_have_twenty_rows_and_all_else_is_folded(tmp_path):
    made = [staged(0.1), *(staged(0.3 + 0.025 * k, strategy=f"s{k:02}") for k in range(27))]
    made += [staged(0.14 + 0.03 * k, strategy=name) for k, name in enumerate(READS_NAMES)]
    made.append(staged(0.97, strategy="em-label-shift"))
    text = generate(tmp_path, *made)[BOARD]
    shown = re.sub("<details>.*?</details>", "", text, flags=re.DOTALL)
    rows = [row for title in (*RANKINGS, "Tail classes", "Cost") for table in tables(shown, title) for row in table]
    assert len(rows) == 20
    assert {"none", "s26", "em-label-shift †"} <= {row["strategy"] for row in rows}
    for name in ("Tail classes", "Head classes", "Against plain training", "Cost"):
        assert len(tables(text, name)[0]) >= 20


def test_the_page_says_first_what_it_cannot_say(tmp_path):
    text = generate(tmp_path, staged(0.5), staged(0.9, strategy="better"))[BOARD]
    first = text.split("\n\n")[2]
    assert first.startswith("**One seed:**")
    assert "The tail has 80 test rows." in first
    enough = [staged(0.5, seed, strategy=name) for seed in range(5) for name in ("none", "better")]
    assert "One seed" not in generate(tmp_path / "five", *enough)[BOARD]


@pytest.mark.parametrize(
    "other",
    [
        {"fingerprint": "beef"}, {"image_size": 32}, {"recipe": {"learning_rate": 0.2}}, {"dataset": "others"},
        {"stages": (make.stage_result(),), "protocol": "joint"}, {"extra": {"measured_schema": 0}},
        {"stages": tuple(dataclasses.replace(s, rows_key="other rows") for s in make.record().stages)},
    ],
)  # fmt: skip
def test_different_conditions_never_meet_in_a_table(tmp_path, other):
    text = generate(tmp_path, make.record(), make.record(strategy="changed", **other))[BOARD]
    ranking = tables(text, "Ranking")
    assert sorted([row["strategy"] for row in table] for table in ranking) == [["changed"], ["none"]]
    assert "must not be compared" in text
    assert "nothing to compare" in text


def test_failed_cells_are_listed_with_their_error_and_nowhere_else(tmp_path):
    pages = generate(tmp_path, make.record(), make.failed(backbone="vit", error="out of\nmemory | <b>"))
    [rows] = tables(pages[BOARD], "Failed cells")
    assert rows == [{"backbone": "vit", "strategy": "none", "seed": "0", "error": "out of memory &#124; &lt;b&gt;"}]
    assert [row["strategy"] for row in tables(pages[BOARD], "Ranking")[0]] == ["none"]
    assert "Backbone resnet10t." in pages[BOARD]
    assert Path("toy/per-class/vit.md") not in pages


def test_only_failed_cells_still_make_a_page(tmp_path):
    assert "out of memory" in generate(tmp_path, make.failed())[BOARD]


def test_hostile_names_stay_inside_their_cells(tmp_path):
    name = "<script>|*x*\n# y"
    stages = tuple(make.stage_result(stage, classes=(name, "b", "c")) for stage in ("head", "tail"))
    pages = generate(tmp_path, make.record(stages, strategy=name, backbone=name, dataset=name))
    for text in pages.values():
        assert "<script>" not in text
        assert "\n# y" not in text
    [ranking] = tables(pages[BOARD], "Ranking")
    assert ranking[0]["strategy"] == "&lt;script&gt;&#124;\\*x\\* \\# y"


def test_classes_without_test_rows_and_classes_at_zero_are_shown(tmp_path):
    stage = make.stage_result(
        test_n=(4, 0, 3), hits_N=np.array([1, 1, 1, 0, 0, 0, 0]), classes=("Full", "Untested", "Zero")
    )
    pages = generate(tmp_path, make.record((stage,)))
    board, page = pages[BOARD], pages[Path("toy/per-class/resnet10t.md")]
    assert "<summary><b>Full</b>, 300 training and 4 test rows: none 0.75</summary>" in page
    assert of_class(page, "Full")[0]["top-1 [95 %]"].startswith("0.75 [0.30, ")
    assert of_class(page, "Zero")[0]["top-1 [95 %]"].startswith("0.00 [0.00, ")
    assert "<b>Untested</b>" not in page and "not scored: Untested." in page
    [scores] = tables(board, "All classes")
    assert scores[0]["worst class"] == "0.000 Zero (3 test rows)"
    assert scores[0]["classes at zero"] == "1.0"
    assert "not scored: Untested." in board
    assert "11 test rows of 2 classes never seen in training" in page


def test_published_figures_stand_beside_fashion_and_are_marked(tmp_path):
    made = make.fashion("resnet10t", "none", 0)
    pages = generate(tmp_path, made, make.change(made, suite="other", dataset="folder"))
    page = pages[Path("fashion-small/per-class/resnet10t.md")]
    shirts, tights = (of_class(page, name)[-1] for name in ("Shirts", "Tights"))
    assert published.LABEL in shirts["strategy"] and published.LABEL in tights["strategy"]
    assert (shirts["top-1 [95 %]"], shirts["top-5"]) == ("0.98", "1.00")
    assert (tights["top-1 [95 %]"], tights["top-5"]) == ("0.00", "–")
    assert of_class(page, "Flats")[-1]["strategy"] == "none"
    last = tables(pages[Path("fashion-small/leaderboard.md")], "Ranking")[0][-1]
    assert published.LABEL in last["strategy"]
    assert "**" not in "".join(last.values())
    assert not any("published" in text for path, text in pages.items() if path.parts[0] == "other")


def test_published_summary_counts_missing_classes_as_wrong():
    made = make.fashion("resnet10t", "none", 0)
    table = published.tables()["head"]
    found = published.summary(made, made.stages[0])
    assert found is not None
    assert found["class-mean"] == pytest.approx(sum(top1 for top1, _ in table.values()) / 19)  # 18 listed, and Flats
    assert published.summary(made, make.stage_result("head")) is None  # another border between head and tail


def test_changes_name_the_classes_that_gained_and_lost(tmp_path):
    test_n = (40, 40, 40)
    hits = lambda *shares: np.concatenate([np.arange(40) < 40 * share for share in shares])  # noqa: E731
    before = make.record((make.stage_result(test_n=test_n, hits_N=hits(0.5, 0.5, 0.5)),))
    after = make.record((make.stage_result(test_n=test_n, hits_N=hits(0.75, 0.5, 0.25)),), strategy="other")
    page = generate(tmp_path, before, after)[Path("toy/per-class/resnet10t.md")]
    [rows] = tables(page, "What changed most against none: all classes")
    assert [(row["class"], row["change in top-1"], row["test rows"]) for row in rows] == [
        ("all 0", "+0.25", "40"), ("all 2", "-0.25", "40"),
    ]  # fmt: skip
    assert rows[0]["strategy [95 %]"] == "0.75 [0.60, 0.86]"


def test_the_best_strategy_of_each_class_is_named_and_ties_are_counted(tmp_path):
    def checked(accuracy: float, hits: int, **changes):
        """The same with validation rows, of which `hits` in each class are right."""
        made = staged(accuracy, **changes)
        validated = {"validation_n": (4, 4, 4), "validation_top1_hits": (hits,) * 3}
        return dataclasses.replace(made, stages=tuple(dataclasses.replace(s, **validated) for s in made.stages))

    made = [
        checked(0.5, 1),
        checked(0.75, 3, strategy="better"),
        checked(0.75, 3, strategy="another"),
        checked(0.95, 2, strategy="lucky on the test rows"),
        checked(0.9, 4, strategy="text-only"),
    ]
    text = generate(tmp_path, *made)[Path("toy/per-class/resnet10t.md")]
    headers, _, first = [
        [cell.strip() for cell in line.split("|")][4:-1] for line in text.splitlines() if line.startswith("|")
    ][:3]
    # what sees names is no rival of what does not
    assert headers == ["none", "best", "its top-1", "gain", "best with product name", "its top-1", "gain"]
    assert first == ["0.50", "another and 1 more", "0.75", "+0.25", "text-only", "0.90", "+0.40"]
    assert "its top-1" not in generate(tmp_path / "two", *made[:2])[Path("toy/per-class/resnet10t.md")]


def test_a_class_opens_to_the_strategies_that_matter_and_names_all_others(tmp_path):
    names = [f"s{number:02}" for number in range(20)]
    made = [staged(0.52), *(staged(0.05 * number, strategy=name) for number, name in enumerate(names))]
    made.append(staged(0.99, strategy="text-only"))
    text = generate(tmp_path, *made)[Path("toy/per-class/resnet10t.md")]
    rows = of_class(text, "tail 1")
    best_ranked = [f"s{number}" for number in range(19, 13, -1)]
    assert [row["strategy"] for row in rows] == ["none", *best_ranked, "text-only", "s00"]
    assert [row["minus none"] for row in rows[:3]] == ["–", "+0.45", "+0.40"]
    assert "▲" not in text.split("### What changed")[0]
    others = next(line for line in text.splitlines() if line.startswith("The others: 0.65 s13"))
    assert all(name in others for name in names[1:14])
    assert text.count("<details><summary><b>") == 6
    assert "<details><summary>21 strategies</summary>" in text


def test_a_class_is_shown_with_what_it_is_taken_for(tmp_path):
    extra = {"confusions": {"head": [], "tail": [[0, 1, 7], [0, 2, 9], [1, 0, 1]]}}
    text = generate(tmp_path, staged(0.5, extra=extra))[Path("toy/per-class/resnet10t.md")]
    assert of_class(text, "tail 0")[0]["taken for"] == "tail 2 9, tail 1 7"
    assert of_class(text, "tail 2")[0]["taken for"] == "–"


def test_what_a_combination_adds_to_its_parts(tmp_path):
    made = [staged(0.5), staged(0.6, strategy="a"), staged(0.7, strategy="b(x=1e+20)")]
    made += [staged(0.95, strategy="a+b(x=1e+20)"), staged(0.9, strategy="a+c"), staged(0.8, strategy="a+b(x=2)")]
    [rows] = tables(generate(tmp_path, *made)[BOARD], "What combinations add to their parts")
    assert [(row["combination"], row["part"], row["tail: part alone"]) for row in rows] == [
        ("a+b(x=1e+20)", "a", "0.600"), ("a+b(x=1e+20)", "b(x=1e+20)", "0.700"),
    ]  # fmt: skip
    adds = [row["head: the combination adds"] for row in rows]
    assert adds[0].startswith("+0.350 [+") and adds[1].startswith("+0.250 [+")
    assert all(cell.endswith("▲") for cell in adds)


def test_without_the_parts_records_nothing_is_said_of_combinations(tmp_path):
    made = [staged(0.5), staged(0.6, strategy="a"), staged(0.9, strategy="a+b"), staged(0.9, 7, strategy="b")]
    assert "What combinations add" not in generate(tmp_path, *made)[BOARD]


def test_what_another_classifier_changes(tmp_path):
    made = [staged(0.5, strategy="a"), staged(0.6, 1, strategy="a")]
    made += [staged(0.9, strategy="a", backbone="resnet10t:mlp2"), staged(0.9, strategy="b", backbone="resnet10t:mlp2")]
    made += [staged(0.7, strategy="a", backbone="resnet18:mlp2"), staged(0.7, strategy="a", backbone="resnet18")]
    [rows] = tables(generate(tmp_path, *made)[BOARD], "What other classifiers change")
    assert [(row["backbone"], row["strategy"], row["seeds"]) for row in rows] == [
        ("resnet10t:mlp2", "a", "1"), ("resnet18:mlp2", "a", "1"),
    ]  # fmt: skip
    changes = [row["tail: minus linear"] for row in rows]
    assert changes[0].startswith("+0.400 [+") and changes[0].endswith("▲") and changes[1] == "0.000 [0.000, 0.000]"


def with_jobs(strategy, chains, **changes):
    stages = [make.stage_result(name) for name in ("head", "tail")]
    epochs = {key: n for chain in chains for key, n in chain}
    stages = tuple(
        dataclasses.replace(stage, jobs=tuple(key for key, _ in chain), epochs=sum(n for _, n in chain))
        for stage, chain in zip(stages, chains, strict=True)
    )
    return make.record(stages, strategy=strategy, **{"extra": {"job_epochs": epochs}, **changes})


def test_epochs_asked_and_executed_are_counted_from_the_records(tmp_path):
    plain = with_jobs("none", [[("h", 10)], [("t8", 8), ("t10", 2)]])
    late = with_jobs("late", [[("h", 10)], [("t8", 8), ("l10", 2)]])
    text = generate(tmp_path, plain, late)[BOARD]
    assert "Epochs: 40 asked for by the cells, 22 executed, each job once (55 %)" in text
    older = dataclasses.replace(late, strategy="older", extra={})
    assert "asked for by the cells" not in generate(tmp_path, older)[BOARD], "older records do not tell jobs apart"
