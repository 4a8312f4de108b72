"""The report in a real browser: it sorts, filters, drills down, sends no request and runs no name as a script."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from benchmarks.cli import main
from benchmarks.data.load import load
from benchmarks.leaderboard.report import page as report
from benchmarks.planning.stages import make_stages, rows_key
from benchmarks.records import stats, storage
from benchmarks.suites import suite
from tests.leaderboard import make

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HOSTILE = "</script><img src=x onerror=alert(1)><script>alert(2)</script><!--"
TAIL_TEST = (40, 12, 5, 1, 0, 3)


def staged(accuracy: float, seed: int, classes: tuple[str, ...]):
    """Return a head and a tail stage, the tail with confusions between its first two classes."""
    tail = make.stage_result(
        "tail", (300, 90, 40, 9, 5, 2), TAIL_TEST, accuracy, 7 * seed + int(100 * accuracy), classes
    )
    return make.stage_result("head", accuracy=accuracy, seed=seed), tail


def write_records(out, suite: str = "toy", hostile: str = "odd") -> dict[str, list]:
    """Write 4 strategies x 3 seeds (plain training 2) and a failed cell; return the tail stages by strategy."""
    classes = ("Ties", "Caps", f"{hostile} class", "Rare", "Untested", "Scarves")
    extra = {"confusions": {"head": [[0, 1, 3]], "tail": [[0, 1, 4], [1, 2, 2]]}}
    cost = make.record().cost
    found: dict[str, list] = {}
    for k, strategy in enumerate(("none", "oversample", f"{hostile} strategy", "text-fallback")):
        for seed in range(2 if strategy == "none" else 3):
            stages = staged(0.4 + 0.15 * k, seed, classes)
            seconds = cost.seconds_alone * (1 + k)
            one = make.record(stages, suite=suite, strategy=strategy, seed=seed, extra=extra, seconds_alone=seconds)
            storage.write(one, out)
            found.setdefault(strategy, []).append(stages[1])
    storage.write(make.failed(suite=suite, strategy="broken", error=f"{hostile} error"), out)
    return found


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@pytest.fixture
def show(browser):
    """Return a function that opens a report; no error and no request may follow."""
    troubles: list[str] = []
    tab = browser.new_page(viewport={"width": 1100, "height": 800})
    tab.set_default_timeout(60_000)
    tab.on("console", lambda message: troubles.append(f"console: {message.text}"))
    tab.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    tab.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def open_page(path):
        own = (path.as_uri(), "data:image/jpeg;base64,")
        tab.on("request", lambda r: None if r.url.startswith(own) else troubles.append(f"request: {r.url}"))
        tab.goto(path.as_uri())
        return tab

    yield open_page
    tab.close()
    assert troubles == []


@pytest.fixture
def opened(show, tmp_path):
    """Return a function that makes and opens the report of records below `tmp_path`."""

    def open_report(suite: str = "toy", *switches: str):
        assert main(["report", "--out", str(tmp_path), "--suite", suite, *switches]) == 0
        return show(tmp_path / suite / "report.html")

    return open_report


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Return the report of `write_records`, to be read only, and the tail stages by strategy."""
    folder = tmp_path_factory.mktemp("toy")
    stages = write_records(folder)
    assert main(["report", "--out", str(folder)]) == 0
    return folder / "toy" / "report.html", stages


@pytest.fixture
def tab(show, toy):
    """Return a page with the report of `write_records`."""
    return show(toy[0])


def names(tab) -> list[str]:
    return tab.locator("#table tbody tr:not(.details):visible th").all_inner_texts()


def column(tab, header: str) -> list[str]:
    heads = tab.locator("#table thead th").all_inner_texts()
    at = next(k for k, head in enumerate(heads) if head.rstrip(" ▲▼") == header)
    return [row.locator("th, td").nth(at).inner_text() for row in tab.locator("#table tbody tr").all()]


def test_the_ranking_sorts_by_any_column_and_says_so(tab):
    assert names(tab)[0] == "odd strategy"  # best of those that see images; text-fallback is ranked apart
    assert column(tab, "group")[0] == "1"
    for header in ("tail class mean", "cost alone", "strategy"):
        tab.get_by_role("button", name=header, exact=True).click()
        first = column(tab, header)
        tab.get_by_role("button", name=header, exact=True).press("Enter")  # keeps the focus, and turns the order
        assert column(tab, header) == first[::-1]
        assert len(set(first)) == 4
    assert tab.locator("th[aria-sort=descending]").count() == 1


def test_the_ranking_filters_by_name_kind_and_group(tab):
    tab.get_by_label("Filter").fill("OVER")
    assert names(tab) == ["oversample"]
    assert tab.locator("#count").inner_text() == "1 of 4 rows"
    tab.get_by_label("Filter").fill("")
    tab.get_by_label("Sees").select_option("product name")
    assert names(tab) == ["text-fallback"]
    tab.get_by_label("Tie group").select_option("1")
    assert names(tab) == ["text-fallback"]


def test_a_row_opens_to_the_commands_of_its_cells(tab):
    button = tab.locator("#table").get_by_role("button", name="oversample")
    button.focus()
    tab.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    commands = tab.locator("#table code").all_inner_texts()
    assert len(commands) == 3
    assert commands[2].startswith("python -m benchmarks run --suite toy")
    assert "--backbone resnet10t --strategy oversample --seeds 3" in commands[2]
    tab.keyboard.press("Enter")
    assert tab.locator("#table code").count() == 0


def test_a_point_leads_to_its_row_by_mouse_and_by_keyboard(tab):
    tab.get_by_label("Filter").fill("none")
    points = tab.locator("#scatter .point[role=button]")
    assert points.count() == 4
    tab.locator("#scatter .point[aria-label^=oversample]").click()
    assert tab.locator("#table tr.found").inner_text().split("\t")[2].strip() == "oversample"
    assert tab.evaluate("document.activeElement.textContent") == "oversample"
    assert tab.get_by_label("Filter").input_value() == ""
    tab.locator("#scatter [tabindex='0']").focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    assert "text-fallback" in tab.locator("#tip").inner_text()
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.textContent") == "text-fallback"


@pytest.mark.parametrize("pair", [("oversample", "text-fallback"), ("odd strategy", "none"), ("none", "oversample")])
def test_two_strategies_are_compared_with_the_intervals_of_explain(tab, toy, pair):
    _, stages = toy
    for select, name in zip(("#first", "#second"), pair, strict=True):
        tab.locator(select).select_option(label=name)
    rows = [row.split("\t") for row in tab.locator("#pairs tbody").inner_text().splitlines() if "\ttail\t" in row]
    shown = {row[0].strip(): [cell.strip() for cell in row] for row in rows}
    common = min(len(stages[name]) for name in pair)
    ours, theirs = (stages[name][:common] for name in pair)
    assert len(shown) == sum(n > 0 for n in TAIL_TEST)
    for c, name in enumerate(ours[0].classes):
        if TAIL_TEST[c]:
            found, _, _ = stats.of_class(ours, theirs, c)
            told = [float(text) for text in re.findall(r"[+-]?\d\.\d+", shown[name][6])]
            expected = [v for v in (found.value, found.low, found.high) if not np.isnan(v)]
            assert told == pytest.approx(expected, abs=0.00101)
            ahead = "first" if found.low > 0 else "second" if found.high < 0 else "–"
            assert shown[name][-1] == ahead
    assert "cannot be told apart" in tab.locator("#verdict").inner_text()


def test_a_class_shows_what_it_is_taken_for_and_leads_back(tab):
    tab.locator("#class").select_option(label="Ties (tail)")
    assert tab.locator("#taken tbody tr").count() == 4
    assert "Caps 10 %" in tab.locator("#taken").inner_text()
    tab.locator("#class").select_option(label="Untested (tail)")
    assert "no test rows" in tab.locator("#taken").inner_text()
    tab.locator("#class").select_option(label="Caps (tail)")
    tab.locator("#taken").get_by_role("button", name="oversample").click()
    assert tab.evaluate("document.activeElement.textContent") == "oversample"


def test_the_curves_of_the_two_strategies_are_drawn_and_told(opened, tmp_path):
    write_records(tmp_path)
    tab = opened()
    assert "no loss per epoch" in tab.locator("#curves").inner_text()
    for seed, strategy in ((0, "none"), (1, "none"), (0, "oversample")):
        losses = tuple(2.0 / epoch + seed for epoch in (1, 2, 3, 4))
        stages = staged(0.5, seed, ("Ties", "Caps", "odd class", "Rare", "Untested", "Scarves"))
        stages = tuple(dataclasses.replace(s, losses=losses, accuracies=(0.1, 0.2, 0.3, 0.4)) for s in stages)
        storage.write(make.record(stages, strategy=strategy, seed=seed), tmp_path)
    tab = opened()
    tab.locator("#first").select_option(label="oversample")
    plots = [one.get_attribute("aria-label") for one in tab.locator("#curves svg[role=img]").all()]
    assert [name.partition(":")[0] for name in plots] == [
        "training accuracy, tail", "training loss, tail", "training accuracy, head", "training loss, head",
    ]  # fmt: skip
    assert "none 2.500 after epoch 1, 1.000 at the end" in plots[1]  # the mean over both seeds
    tab.locator("#second").select_option(label="text-fallback")
    assert "none" not in tab.locator("#curves svg[role=img]").first.get_attribute("aria-label")


def test_thumbnails_show_the_rows_that_changed_sides(opened, tmp_path):
    asked = suite.load("digits")
    loaded = load("digits", size=16, cache=tmp_path / "cache", options=asked.options)
    stages = make_stages(loaded, asked)
    own = {"head_classes": asked.head_classes, "validation": asked.validation}
    recipe = {**asked.recipe.model_dump(mode="json"), **own}
    changed: dict[str, list[int]] = {"none": [], "oversample": [3], "focal": [3, 5]}  # rows of the tail's first class
    for strategy, wrong in changed.items():
        results = []
        for stage in stages:
            test_n = tuple(stage.counts(stage.data.test_rows).tolist())
            hits_N = np.ones(sum(test_n), dtype=bool)
            hits_N[wrong if stage.data.name == "tail" else []] = False
            made = make.stage_result(stage.data.name, stage.facts.counts_C, test_n, classes=stage.names, hits_N=hits_N)
            results.append(dataclasses.replace(made, rows_key=rows_key(loaded, stage.data.test_rows)))
        one = make.record(tuple(results), strategy=strategy, suite="digits", dataset="digits", recipe=recipe)
        storage.write(one, tmp_path)
    tab = opened("digits", "--thumbnails")
    tab.locator("#first").select_option(label="oversample")
    tab.locator("#class").select_option(label=f"{stages[1].names[0]} (tail)")
    pictures = tab.locator("#rows figure")
    assert [one.inner_text() for one in pictures.all()] == ["first right in 0 of 1\nsecond right in 1 of 1"]
    assert "1 of the 2 rows" in tab.locator("#rows").inner_text()
    image = pictures.locator("img")
    assert image.get_attribute("alt") == f"test row 4 of {stages[1].names[0]}"
    assert image.evaluate("e => e.decode().then(() => e.naturalWidth)") == 64
    of_class = [row for row in stages[1].data.test_rows if stages[1].labels_N[row] == 0]
    drawn = Image.open(io.BytesIO(base64.b64decode(image.get_attribute("src").partition(",")[2]))).resize((16, 16))
    gaps = [np.abs(np.asarray(drawn, dtype=float) - loaded.images_NHWC[row]).mean() for row in of_class]
    assert int(np.argmin(gaps)) == 3
    assert tab.evaluate("document.documentElement.scrollWidth") <= 1100


def test_thumbnails_need_the_data_of_the_records(tmp_path, capsys):
    asked = suite.load("digits")
    recipe = {**asked.recipe.model_dump(mode="json"), "head_classes": 5, "validation": 0.1}
    storage.write(make.record(suite="digits", dataset="digits", recipe=recipe), tmp_path)
    assert main(["report", "--thumbnails", "--out", str(tmp_path)]) == 2
    assert "the test rows of digits are not those of the dataset 'digits'" in capsys.readouterr().err
    assert main(["report", "--data", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert "--data PATH is for --thumbnails" in capsys.readouterr().err


def test_hostile_names_are_text_and_run_nothing(opened, tmp_path):
    write_records(tmp_path, hostile=HOSTILE)
    tab = opened()
    assert f"{HOSTILE} strategy" in names(tab)
    tab.locator("#table").get_by_role("button", name="strategy").nth(1).click()
    for k in range(6):
        tab.locator("#class").select_option(index=k)
    assert f"{HOSTILE} class" in tab.locator("#pairs").inner_text()
    assert f"{HOSTILE} error" in tab.locator("#failed").inner_text()
    assert tab.locator("img").count() == 0
    assert tab.locator("script").count() == 2
    text = (tmp_path / "toy" / "report.html").read_text()
    assert len(re.findall(r"<script|<img", text)) == 2


def test_the_policy_refuses_scripts_and_requests_even_if_markup_got_in(tab):
    policy = tab.locator("meta[http-equiv]").get_attribute("content")
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy


def test_sections_measured_under_other_conditions_are_chosen_apart(opened, tmp_path):
    storage.write(make.record(), tmp_path)
    storage.write(make.record(seed=1, image_size=32), tmp_path)
    tab = opened()
    assert "32 px" in tab.locator("#conditions").inner_text()
    tab.get_by_label("Conditions").select_option(index=1)
    assert "64 px" in tab.locator("#conditions").inner_text()
    assert "1 seed" in tab.locator("#conditions").inner_text()


def test_a_phone_needs_no_sideways_scrolling_and_every_control_has_a_name(tab):
    tab.set_viewport_size({"width": 390, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    nameless = "[...document.querySelectorAll('button,select,input')].filter(e => !(e.labels?.length || e.textContent))"
    assert tab.evaluate(f"{nameless}.length") == 0


def test_a_print_shows_the_tables_and_no_controls(tab):
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 718, "height": 1047})  # A4 with Chromium's margins
    assert tab.evaluate("document.documentElement.scrollWidth") <= 718
    assert not tab.locator("#filters").is_visible()
    assert tab.locator("#table").is_visible()


def test_only_failed_cells(opened, tmp_path):
    storage.write(make.failed(), tmp_path)
    assert "No cell has finished." in opened().locator("#conditions").inner_text()


def test_the_file_is_inert_and_the_same_for_the_same_records(tmp_path, capsys):
    write_records(tmp_path, hostile=HOSTILE)
    assert main(["report", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"Report: {tmp_path / 'toy' / 'report.html'}\n"
    text = (tmp_path / "toy" / "report.html").read_text()
    records, _ = storage.read_all(tmp_path / "toy" / "records")
    assert report.report("toy", records[::-1]) == text
    content = json.loads(re.search(r'id="content">(.*?)</script>', text, re.DOTALL)[1])
    assert {entry["names"][0] for entry in content["sections"][0]["entries"]} >= {"none", f"{HOSTILE} strategy"}
    assert not re.search(r"https?://(?!www\.w3\.org)", text)


def test_many_cells_stay_below_4_mb(tmp_path):
    extra = confused()
    made = [make.fashion("resnet10t", "none", 0, 0.001 * k) for k in range(84)]
    records = [make.change(made[k], strategy=f"s{k}", seed=s, extra=extra) for k in range(84) for s in range(3)]
    assert len({one.stages[1].top1_bits for one in made}) == 84  # equal ones would be one row
    assert len(report.report("suite", records)) < 4_000_000


def confused() -> dict:
    """Return confusions of every class with every other."""
    pairs = {"head": 20, "tail": 88}
    return {"confusions": {s: [[a, b, 1] for a in range(n) for b in range(n) if a != b] for s, n in pairs.items()}}


def test_no_records_and_a_foreign_file_are_user_errors(tmp_path, capsys):
    assert main(["report", "--out", str(tmp_path)]) == 2
    assert "no records below" in capsys.readouterr().err
    storage.write(make.record(), tmp_path)
    (tmp_path / "toy" / "report.html").write_text("mine")
    assert main(["report", "--out", str(tmp_path)]) == 2
    assert "was not made by this command" in capsys.readouterr().err
