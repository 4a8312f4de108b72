"""Settings from the command line: typed by the suite's schema, in the suite's name, nearest name suggested."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cli import main
from benchmarks.suites.choose import choose_suite
from benchmarks.suites.settings import frozen, with_image_size, with_settings
from benchmarks.suites.suite import load
from benchmarks.support.errors import UserError


def test_settings_change_the_recipe_and_the_name() -> None:
    suite = with_settings(load("digits"), ["recipe.learning_rate=0.01", "recipe.epochs.tail = 20", "validation=0.2"])
    assert (suite.recipe.learning_rate, suite.recipe.epochs.tail, suite.validation) == (0.01, 20, 0.2)
    assert suite.name == "digits-learning_rate=0.01-epochs.tail=20-validation=0.2"
    assert with_settings(suite, ["validation=0.2"]) is suite
    assert with_settings(load("digits"), ["recipe.optimizer=adamw"]).recipe.optimizer == "adamw"
    assert with_settings(load("cifar10-lt"), ["options.imbalance=50"]).options["imbalance"] == 50


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("recipe.learning_rat=1", "did you mean 'recipe.learning_rate'"),
        ("recipe=1", "there is no setting 'recipe'"),
        ("name=other", "there is no setting 'name'"),
        ("recipe.learning_rate", "write it as"),
        ("recipe.learning_rate=-1", "greater than 0"),
        ("recipe.learning_rate=fast", "valid number"),
        ("recipe.epochs.tail=1.5", "valid integer"),
        ("recipe.epochs.tail=1000000", "less than or equal to 100000"),
        ("recipe.batch_size=99999999999999999999", "less than or equal to 100000"),
        ("recipe.learning_rate=inf", "finite number"),
    ],
)
def test_what_does_not_fit_is_one_sentence(setting: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        with_settings(load("digits"), [setting])


def test_images_grow_as_before_at_another_size() -> None:
    suite = with_image_size(load("catalog"), 64)
    assert (suite.name, suite.recipe.image_size, suite.recipe.grow_from) == ("catalog-64px", 64, 48)
    assert with_image_size(suite, 64) is suite


def test_the_frozen_twin_starts_from_imagenet_weights() -> None:
    twin = frozen(load("digits"))
    assert (twin.name, twin.backbones, twin.recipe.image_size) == ("digits-frozen", ("efficientnet_lite0",), 128)
    assert twin.recipe.weights == "imagenet"
    assert twin.recipe.trains == "classifier"
    assert frozen(load("fashion")).backbones == ("resnet50",)
    assert frozen(load("fashion-frozen")) == load("fashion-frozen")
    named, _ = choose_suite("digits", trains="classifier", image_size_px=96, settings=["recipe.epochs.head=3"])
    assert named.name == "digits-frozen-96px-epochs.head=3"


def test_a_suite_is_shown_as_one_could_write_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["suite", "show", "digits"]) == 0
    own = tmp_path / "own.toml"
    own.write_text(capsys.readouterr().out)
    assert load(str(own)).recipe == load("digits").recipe
    assert main(["suite", "show", "digit"]) == 2
    assert "did you mean 'digits'" in capsys.readouterr().err


def test_random_features_are_refused_unless_forced(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", "--suite", "digits", "--trains", "classifier", "--set", "recipe.weights=none"]
    assert main(asked) == 2
    assert "random weights" in capsys.readouterr().err
