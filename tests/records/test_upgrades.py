from __future__ import annotations

import json

from benchmarks.records import storage, upgrades
from tests.leaderboard import make
from tests.records.test_record import reseal


def test_a_record_of_schema_1_is_read_as_the_one_it_was(tmp_path):
    one = make.record()
    path = storage.write(one, tmp_path)
    old = make.schema_1(one)
    reseal(path, **{name: ... for name in json.loads(path.read_text()) if name not in old}, **old)
    assert json.loads(path.read_text())["schema"] == 1
    assert storage.read(path) == one


def test_the_step_leaves_its_argument_alone():
    old = make.schema_1(make.record())
    before = json.dumps(old, sort_keys=True)
    upgrades.grouped(old)
    assert json.dumps(old, sort_keys=True) == before


def test_every_published_record_is_still_read(repository):
    found = storage.read_below(repository / "results")
    assert len(found) == len(list((repository / "results").glob("*/records/*/*.json")))
