"""The recommendation in a suite's report, from the file that `recommend` left in the suite's folder."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from benchmarks.support.errors import one_line

CONTENT = "recommendation.json"


def section(folder: Path) -> str:
    """Return the recommendation as HTML, all texts escaped; "" where there is none, or it cannot be read."""
    try:
        content: dict[str, Any] = json.loads((folder / CONTENT).read_text(encoding="utf-8"))
        body = "\n".join(_block(block) for block in content["blocks"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""
    return (
        '<section aria-labelledby="recommendation">\n'
        f'<h2 id="recommendation" tabindex="-1">Recommendation</h2>\n{body}\n</section>'
    )


def _block(block: dict[str, Any]) -> str:
    lines = [_text(line) for line in block["lines"]]
    match block["kind"]:
        case "heading":
            return f"<h3>{lines[0]}</h3>"
        case "list":
            return "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"
        case "code":
            return "<pre>" + "\n".join(lines) + "</pre>"
        case "table":
            head = "".join(f"<th>{_text(name)}</th>" for name in block["header"])
            rows = "".join(
                "<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in block["rows"]
            )
            return (
                '<div class="scroll" role="region" aria-label="Table of the recommendation" tabindex="0">'
                f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
            )
    return "".join(f"<p>{line}</p>" for line in lines)


def _text(text: str) -> str:
    return html.escape(one_line(text))
