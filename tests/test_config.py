"""Configs: JSON round trip, validation, names."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toymdrl.runs.config import PRESETS, RunConfig, from_json, to_json, validate
from toymdrl.settings import ConfigError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
def test_presets_are_valid_and_survive_json(config: RunConfig) -> None:
    assert from_json(to_json(validate(config))) == config


@given(
    seed=st.integers(0, 10**9),
    order=st.permutations(["code", "math", "qa", "cw"]),
    rate=st.floats(0, 1),
)
def test_round_trip(seed: int, order: list[str], rate: float) -> None:
    config = replace(PRESETS["laptop"], seed=seed, order=tuple(order))
    config = replace(config, grpo=replace(config.grpo, learning_rate=rate))
    assert from_json(to_json(config)) == config


@given(JSON)
def test_nonsense_is_refused_in_one_line(data: object) -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(data)
    assert "\n" not in str(caught.value)


@given(st.data())
def test_a_config_with_one_setting_replaced_is_valid_or_refused(data: st.DataObject) -> None:
    mapping: dict[str, Any] = to_json(PRESETS["laptop"])
    where = mapping
    while True:
        key = data.draw(st.sampled_from(sorted(where)))
        if not isinstance(where[key], dict):
            break
        where = where[key]
    where[key] = data.draw(JSON)
    try:
        config = from_json(mapping)
    except ConfigError as error:
        message = str(error)
    else:
        message = f"{key} is as good as any"
        assert from_json(to_json(config)) == config
    assert any(word in message for word in (key, "order", "domain", "refresh"))
