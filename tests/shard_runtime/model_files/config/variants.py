# SPDX-License-Identifier: Apache-2.0
"""Changes of one field of a config, drawn by a seed."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.shard_runtime.model_files.config.base_configs import BASES, EXTRAS, ROPE_EXTRAS, Config

_AGAIN = "\u2026again"
"""Marks the second of two equal keys until the config is text."""

_WRONG_TYPES: tuple[Any, ...] = ("7", 7, 7.5, -1, 0, 0.0, 1.0, True, False, [], [1], {}, {"a": 1})
_SPELLINGS: tuple[Callable[[str], str], ...] = (
    lambda name: f"_{name}",
    lambda name: f"{name}_",
    str.upper,
    lambda name: name.replace("_", "-"),
    lambda name: "".join(part.capitalize() for part in name.split("_")),
    lambda name: name.replace("eps", "epsilon").replace("num_", "n_").replace("theta", "base"),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A config as text, and how it came about."""

    title: str
    text: str


def draw_variants(count: int, seed: int) -> Iterator[Variant]:
    """The same variants for the same seed; every family and every change occurs about equally."""
    chance = random.Random(seed)
    names = list(BASES)
    for number in range(count):
        yield _draw_variant(names[number % len(names)], chance)


def _draw_variant(name: str, chance: random.Random) -> Variant:
    config = copy.deepcopy(BASES[name])
    titles = []
    for _ in range(chance.choice([1, 1, 1, 1, 2, 3])):
        holder, path = chance.choice(list(_objects(config)))
        if not holder:
            continue
        field = chance.choice(list(holder))
        change = chance.choice(_CHANGES)
        titles.append(
            f"{change.__name__.strip('_')} {path}{field}: {change(holder, field, chance)}"
        )
    text = json.dumps(config).replace(json.dumps(_AGAIN)[1:-1], "")
    return Variant(f"{name}: {'; '.join(titles)}", text)


def _objects(config: Config, path: str = "") -> Iterator[tuple[Config, str]]:
    """The config and the objects in it, the config several times as often."""
    yield from [(config, path)] * 3
    for name, value in config.items():
        if isinstance(value, dict) and name not in ("vision_config", "task_specific_params"):
            yield from _objects(value, f"{path}{name}.")


def _drop(config: Config, field: str, chance: random.Random) -> str:
    del config[field]
    return ""


def _null(config: Config, field: str, chance: random.Random) -> str:
    config[field] = None
    return ""


def _double(config: Config, field: str, chance: random.Random) -> str:
    value = config[field]
    if isinstance(value, bool):
        config[field] = not value
    elif isinstance(value, int | float | str | list):
        config[field] = value * 2
    return str(config[field])


def _repeat(config: Config, field: str, chance: random.Random) -> str:
    """The key twice, with two values."""
    _double(config, field, chance)
    config[field + _AGAIN] = chance.choice([config[field], None, 3])
    return ""


def _rename(config: Config, field: str, chance: random.Random) -> str:
    renamed = chance.choice(_SPELLINGS)(field)
    config[renamed] = config.pop(field)
    return renamed


def _wrong_type(config: Config, field: str, chance: random.Random) -> str:
    config[field] = chance.choice(_WRONG_TYPES)
    return str(config[field])


def _borrow(config: Config, field: str, chance: random.Random) -> str:
    """Adds or replaces a field with that of another family."""
    other = copy.deepcopy(BASES[chance.choice(list(BASES))])
    name = chance.choice([name for name in other if name != "model_type"])
    config[name] = other[name]
    return f"{name} = {other[name]}"


def _add(config: Config, field: str, chance: random.Random) -> str:
    extras = ROPE_EXTRAS if config.keys() & {"rope_type", "type"} else EXTRAS
    name = chance.choice(list(extras))
    config[name] = copy.deepcopy(chance.choice(extras[name]))
    return f"{name} = {config[name]}"


def _swap(config: Config, field: str, chance: random.Random) -> str:
    """Gives the field the value of another one."""
    name = chance.choice(list(config))
    config[field] = config[name]
    return f"the value of {name}"


_CHANGES = (_drop, _drop, _null, _null, _double, _double, _repeat, _rename, _wrong_type)
_CHANGES += (_wrong_type, _borrow, _add, _add, _add, _swap)
