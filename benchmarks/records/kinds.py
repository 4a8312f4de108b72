"""What a recorded strategy sees when it predicts: the image alone, the name too, or all test rows together."""

from __future__ import annotations

from strategies.base import StrategyError
from strategies.combining.expression import parse

IMAGES, NAMES, TEST_ROWS = "image alone", "product name", "all test rows together"
MARK = "†"
NOTE = (
    f"{MARK} Transductive: it estimates the class distribution of the test rows from its outputs for all of them "
    "together, which strategies that see one image at a time cannot; it is ranked apart."
)


def kind_of(strategy: str) -> str:
    """Return what a strategy, as an expression, sees; one that is not installed here is taken to see images alone."""
    try:
        parsed = parse(strategy)
    except StrategyError:
        return IMAGES
    return TEST_ROWS if parsed.transductive else NAMES if "text" in parsed.needs else IMAGES


def transductive(strategy: str) -> bool:
    """Whether a strategy, as an expression, uses the class distribution of the test rows."""
    return kind_of(strategy) == TEST_ROWS


def marked_name(strategy: str) -> str:
    """Return a strategy's name as tables show it, with `MARK` where it is transductive; `NOTE` says what that means."""
    return f"{strategy} {MARK}" if transductive(strategy) else strategy
