"""How soon the report of 250 cells is painted in a browser, and its size: the promises are one second and 4 MB."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.leaderboard.report import page
from benchmarks.records import storage

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAINTED = """() => new Promise(told => new PerformanceObserver(
    entries => entries.getEntriesByName('first-contentful-paint').forEach(entry => told(entry.startTime))
).observe({type: 'paint', buffered: true}))"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)")
def bench_first_paint(benchmark, repository: Path, tmp_path: Path) -> None:
    """Open the published catalog's report in a new tab until its first paint; then the table is there too."""
    sync_api = pytest.importorskip("playwright.sync_api")
    records, _ = storage.read_all(repository / "results" / "catalog" / "records")
    file = tmp_path / "report.html"
    file.write_text(page.report("catalog", records), encoding="utf-8")
    painted_ms = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])

        def opened() -> None:
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(file.as_uri())
            painted_ms.append(tab.evaluate(PAINTED))  # the page's policy forbids what wait_for_function does
            assert tab.locator("#table tbody tr").count() > 50
            tab.close()

        benchmark.pedantic(opened, rounds=5, warmup_rounds=1)
        browser.close()
    told = {"cells": len(records), "megabytes": round(file.stat().st_size / 1e6, 2)}
    benchmark.extra_info.update(told, first_paint_ms=sorted(round(ms) for ms in painted_ms))
    print(benchmark.extra_info)
