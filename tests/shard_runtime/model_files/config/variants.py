# SPDX-License-Identifier: Apache-2.0
"""Changes of the fields of configs: drawn by a seed, or each one."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.shard_runtime.model_files.config.base_configs import BASES, EXTRAS, ROPE_EXTRAS, Config

_Spelling = Callable[[str], str]
_Change = Callable[[Config, str, random.Random], str]
"""Changes a field of the config or of an object in it, and describes the result."""

_AGAIN = "\u2026again"
"""Marks the second of two equal keys until the config is text."""

_WRONG_TYPES: tuple[Any, ...] = ("7", 7, 7.5, -1, 0, 0.0, 1.0, True, False, [], [1], {}, {"a": 1})
_SPELLINGS: tuple[_Spelling, ...] = (
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


def every_variant() -> Iterator[Variant]:
    """Each change of each field of each config, one at a time."""
    chance = random.Random(0)
    for name, base in BASES.items():
        for path, field, change in _every_change(base):
            config = copy.deepcopy(base)
            result = change(_object_at(config, path), field, chance)
            yield Variant(f"{name}: {path} {field} {result}", _text(config))


def _every_change(base: Config) -> Iterator[tuple[tuple[str, ...], str, _Change]]:
    for holder, path in _objects(base):
        for field in holder:
            for change in (_drop, _null, _double, _repeat):
                yield path, field, change
            for spelling in _SPELLINGS:
                yield path, field, partial(_rename_to, spelling)
            for value in _WRONG_TYPES:
                yield path, field, partial(_set, value)
        for field, values in _extras_of(holder).items():
            for value in values:
                yield path, field, partial(_set, value)


def _object_at(config: Config, path: tuple[str, ...]) -> Config:
    for name in path:
        config = config[name]
    return config


def _draw_variant(name: str, chance: random.Random) -> Variant:
    config = copy.deepcopy(BASES[name])
    titles = []
    for _ in range(chance.choice([1, 1, 1, 1, 2, 3])):
        objects = list(_objects(config))
        holder, path = chance.choice([objects[0]] * 2 * len(objects) + objects)
        if not holder:
            continue
        field = chance.choice(list(holder))
        change = chance.choice(_CHANGES)
        titles.append(f"{change.__name__} {path} {field}: {change(holder, field, chance)}")
    return Variant(f"{name}: {'; '.join(titles)}", _text(config))


def _text(config: Config) -> str:
    return json.dumps(config).replace(json.dumps(_AGAIN)[1:-1], "")


def _extras_of(holder: Config) -> dict[str, list[Any]]:
    return ROPE_EXTRAS if holder.keys() & {"rope_type", "type"} else EXTRAS


def _objects(
    config: Config, path: tuple[str, ...] = ()
) -> Iterator[tuple[Config, tuple[str, ...]]]:
    """The config and the objects in it, each with its place."""
    yield config, path
    for name, value in config.items():
        if isinstance(value, dict) and name not in ("vision_config", "task_specific_params"):
            yield from _objects(value, (*path, name))


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
    return _rename_to(chance.choice(_SPELLINGS), config, field, chance)


def _rename_to(spelling: _Spelling, config: Config, field: str, chance: random.Random) -> str:
    renamed = spelling(field)
    config[renamed] = config.pop(field)
    return renamed


def _wrong_type(config: Config, field: str, chance: random.Random) -> str:
    return _set(chance.choice(_WRONG_TYPES), config, field, chance)


def _set(value: Any, config: Config, field: str, chance: random.Random) -> str:
    config[field] = copy.deepcopy(value)
    return str(value)


def _borrow(config: Config, field: str, chance: random.Random) -> str:
    """Adds or replaces a field with that of another family."""
    other = copy.deepcopy(BASES[chance.choice(list(BASES))])
    name = chance.choice([name for name in other if name != "model_type"])
    config[name] = other[name]
    return f"{name} = {other[name]}"


def _add(config: Config, field: str, chance: random.Random) -> str:
    extras = _extras_of(config)
    name = chance.choice(list(extras))
    return f"{name} = {_set(chance.choice(extras[name]), config, name, chance)}"


def _swap(config: Config, field: str, chance: random.Random) -> str:
    """Gives the field the value of another one."""
    name = chance.choice(list(config))
    config[field] = config[name]
    return f"the value of {name}"


_CHANGES = (_drop, _drop, _null, _null, _double, _double, _repeat, _rename, _wrong_type)
_CHANGES += (_wrong_type, _borrow, _add, _add, _add, _swap)
