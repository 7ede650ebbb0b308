"""The committed configurations, and configurations of older bundles."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.configs import NOTHING
from tests.support.paths import ROOT, STARTER
from training.backbones import BACKBONES
from training.config import Config, InvalidConfig
from training.config_file import load

CONFIGS = ROOT / "training" / "configs"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_committed_configuration_survives_as_json(path: Path) -> None:
    config = load(path)
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_an_older_configuration_keeps_its_text_and_with_it_its_digests() -> None:
    """The starter's configuration is older than the probabilities of single changes, which were always applied."""
    text = (STARTER / "config.json").read_text(encoding="utf-8")
    config = Config.model_validate_json(text)
    assert config.augment.rotation_probability == 1
    assert config.model_dump_json(indent=1) + "\n" == text
    half = config.augment.model_copy(update={"rotation_probability": 0.5})
    assert config.model_copy(update={"augment": half}).model_dump_json() != config.model_dump_json()


def test_a_probability_is_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="zoom_probability"):
        NOTHING.model_validate(NOTHING.model_dump() | {"mixup_alpha": "none", "zoom_probability": 1.5})


def test_the_balanced_variant_is_the_reference_recipe_but_for_its_class_weights() -> None:
    recipe, balanced = (load(CONFIGS / f"ham10000_efficientnetv2m{each}.toml") for each in ("", "_balanced"))
    assert (recipe.loss.class_weights, balanced.loss.class_weights) == ("none", "balanced")
    weighted = recipe.loss.model_copy(update={"class_weights": "balanced"})
    assert recipe.model_copy(update={"name": balanced.name, "loss": weighted}) == balanced


SMOKE = CONFIGS / "smoke.toml"


@pytest.mark.parametrize("graphs", ['["keras"]', "[]"])
def test_the_graph_that_every_bundle_has_is_demanded_before_training(graphs: str) -> None:
    with pytest.raises(InvalidConfig, match="openvino-fp32 must be among them"):
        load(SMOKE, changes=[f"graphs={graphs}"])


@pytest.mark.parametrize(("changes", "cause"), [
    (["stored_as=float16", "model.backbone=efficientnetv2-b0"], "float16.* efficientnet-lite2.*; not efficientnetv2"),
    (["melanoma_weight=2"], "melanoma_weight needs folds"),
    (["seed=-1"], "seed: .* greater than or equal to 0"),
    (["fine_tune.size=1500"], "fine_tune.size: .* less than or equal to 1024"),
    (["pretrain.epochs=0"], "pretrain.epochs: .* greater than or equal to 1"),
])  # fmt: skip
def test_what_would_fail_or_do_nothing_is_refused_before_training(changes: list[str], cause: str) -> None:
    recipe = CONFIGS / "starter.toml" if "pretrain" in changes[0] else SMOKE
    with pytest.raises(InvalidConfig, match=cause):
        load(recipe, changes=changes)


def test_every_key_can_be_set_from_the_command_line() -> None:
    """Each leaf of the dumped configuration, written back as a change, gives the same configuration."""
    config = load(SMOKE)
    changes = [
        f"{'.'.join(keys)}={json.dumps(value)}"
        for keys, value in leaves(tomllib.loads(SMOKE.read_text(encoding="utf-8")))
    ]
    assert len(changes) > 50
    assert load(SMOKE, changes=changes) == config


def leaves(content: dict[str, Any], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, *above, key)
        else:
            yield (*above, key), value


def test_changes_show_in_the_name_and_may_leave_quotes_out() -> None:
    config = load(SMOKE, changes=["optimiser.batch=8", "model.preprocessing.fit=squash", "fine_tune.size=64"])
    assert (config.optimiser.batch, config.model.preprocessing.fit, config.fine_tune.size) == (8, "squash", 64)
    assert config.name == "smoke-optimiser.batch-8-model.preprocessing.fit-squash-fine_tune.size-64"
    assert load(SMOKE, changes=["optimiser.batch=8", "name=mine"]).name == "mine"


@pytest.mark.parametrize(("change", "cause"), [
    ("optimiser.batch", "not a change of the form KEY=VALUE"),
    ("optimiser.=1", "not a change of the form KEY=VALUE"),
    ("seed.x=1", "seed is a value, not a table"),
    ("optimiser.batches=8", "optimiser.batches: Extra inputs"),
    ("optimiser.batch=many", "optimiser.batch: Input should be a valid integer"),
])  # fmt: skip
def test_a_wrong_change_names_its_key(change: str, cause: str) -> None:
    with pytest.raises(InvalidConfig, match=cause):
        load(SMOKE, changes=[change])


@pytest.mark.parametrize(("variant", "size"), [("b0", 224), ("b1", 240), ("b2", 260), ("b3", 300)])
def test_the_predecessors_have_b4s_recipe_at_the_size_of_their_weights(variant: str, size: int) -> None:
    b4, other = (load(CONFIGS / f"ham10000_efficientnet{each}.toml") for each in ("b4", variant))
    assert size == BACKBONES[f"efficientnet-{variant}"].size
    spec = b4.model.preprocessing.at(size)
    network = b4.model.model_copy(update={"backbone": f"efficientnet-{variant}", "preprocessing": spec})
    assert b4.model_copy(update={"name": f"ham10000-efficientnet{variant}", "model": network}) == other


def test_the_reference_recipe_has_none_of_the_later_settings() -> None:
    text = load(CONFIGS / "ham10000_efficientnetv2m.toml").model_dump_json()
    later = (
        "ema",
        "accumulate",
        "sampling",
        "rise_epochs",
        "last_batch",
        "speed",
        "crop_area",
        "jpeg",
        "prepared_size",
    )
    assert [name for name in later if name in text] == []
    modern = load(CONFIGS / "ham10000_modern.toml").model_dump_json()
    assert [name for name in later if name not in modern] == []
