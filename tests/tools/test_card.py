"""A model card's names come from elsewhere: they are text, whatever they hold."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from benchmarks.tools.export import card
from benchmarks.tools.export.model import Preprocessing
from benchmarks.tools.export.tensors import Tensors
from benchmarks.tools.recorded import Recorded
from tests.leaderboard import make

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SCRIPT = "<script>alert(1)</script>"


class Markup(HTMLParser):
    """Collects tags, and attributes that could run something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(name for name, _ in attributes)}


@pytest.mark.parametrize(
    "hostile",
    [
        SCRIPT,
        f"`{SCRIPT}`",
        f"a\n```\n\n{SCRIPT}",
        f"]({SCRIPT})",
        "<img src=x onerror=alert(1)>",
        f"|{SCRIPT}|\n\n# x",
    ],
)
def test_hostile_names_are_text(hostile: str) -> None:
    stage = make.stage_result("all", classes=("a", hostile, "c"))
    record = make.record(
        (stage,), suite=hostile, backbone=hostile, strategy=hostile, dataset=hostile, device=hostile, dtype=hostile,
        fingerprint=hostile, key=hostile, made=hostile, recipe={"head_classes": 1},
    )  # fmt: skip
    command = Recorded(record=record).command
    facts = card.Facts(
        record=record, result=stage, command=command, tensors=Tensors({}, None, whole=False), temperature=1.0,
        preprocessing=Preprocessing(size=8, mean=[0.0] * 3, std=[1.0] * 3), fitted=True, nll=(1.0, 1.0),
        corrected=False, mirror=False, again=False, chosen=(hostile,),
    )  # fmt: skip
    reader = Markup()
    reader.feed(GITHUB.render(card.card(facts)))
    kinds = {"h1", "h2", "p", "pre", "code", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "class", "style"}
    assert reader.found <= kinds
