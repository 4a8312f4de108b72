"""Plain training: what every other strategy is compared with."""

from __future__ import annotations

import dataclasses

from strategies.base import Strategy
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class Plain(Strategy):
    """Cross entropy on the data as they are; cannot be combined."""

    name = "none"
    summary = "plain training on the data as they are"
