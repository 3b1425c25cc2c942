# SPDX-License-Identifier: Apache-2.0
"""The models and images that wallets trust: named by the deployment file, not by the chain's nodes.

A node can invent a registry that allows an image of its own. So a wallet seals a prompt to an
enclave only if this list, which comes with the wallet, names its model's digest and its image, and
the chain allows both. Images that were withdrawn stay named for the verification of old requests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

_FIELDS: Final = {"id", "name", "digest", "measurements", "withdrawn"}
_WORD: Final = re.compile(r"0x[0-9a-f]{64}")
MAX_MODEL_ID: Final = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedModel:
    """One model of the deployment's registry. Digest and measurements have 32 bytes each."""

    model_id: int
    name: str
    """For people."""
    digest: bytes
    """`Model.digest`: of all layers, embedding and head."""
    measurements: tuple[bytes, ...] = ()
    """Images that may receive prompts."""
    withdrawn: tuple[bytes, ...] = ()
    """Images that could once."""

    def with_measurement(self, measurement: bytes) -> TrustedModel:
        """With one more image."""
        rest = tuple(each for each in self.withdrawn if each != measurement)
        known = dict.fromkeys((*self.measurements, measurement))
        return replace(self, measurements=tuple(known), withdrawn=rest)

    def without_measurement(self, measurement: bytes) -> TrustedModel:
        """With this image among the withdrawn ones."""
        rest = tuple(each for each in self.measurements if each != measurement)
        known = dict.fromkeys((*self.withdrawn, measurement))
        return replace(self, measurements=rest, withdrawn=tuple(known))

    def to_json(self) -> dict[str, Any]:
        """As in the deployment file."""
        return {
            "id": self.model_id,
            "name": self.name,
            "digest": _hex(self.digest),
            "measurements": [_hex(each) for each in self.measurements],
            "withdrawn": [_hex(each) for each in self.withdrawn],
        }

    @classmethod
    def from_json(cls, value: object) -> TrustedModel:
        """Raises `ValueError` with a rule."""
        if not isinstance(value, dict) or set(value) != _FIELDS:
            raise ValueError(f"must be objects with exactly {sorted(_FIELDS)}")
        number = value["id"]
        is_number = isinstance(number, int) and not isinstance(number, bool)
        if not is_number or not 0 < number <= MAX_MODEL_ID or not isinstance(value["name"], str):
            raise ValueError("must have a model's number as id and a name")
        return cls(
            model_id=number,
            name=value["name"],
            digest=_word(value["digest"]),
            measurements=_words(value["measurements"]),
            withdrawn=_words(value["withdrawn"]),
        )


def parse_models(value: object) -> tuple[TrustedModel, ...]:
    """The field `models`. Raises `ValueError` with a rule."""
    if not isinstance(value, list):
        raise ValueError("must be a list")
    models = tuple(TrustedModel.from_json(each) for each in value)
    if len({model.model_id for model in models}) != len(models):
        raise ValueError("must name each model once")
    return models


def replaced(models: Sequence[TrustedModel], model: TrustedModel) -> tuple[TrustedModel, ...]:
    """With this model in place of the one with its number, in their order."""
    others = [each for each in models if each.model_id != model.model_id]
    return tuple(sorted([*others, model], key=lambda each: each.model_id))


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _word(value: object) -> bytes:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise ValueError("must have digests and measurements of 32 bytes as hex with 0x")
    return bytes.fromhex(value[2:])


def _words(value: object) -> tuple[bytes, ...]:
    if not isinstance(value, list):
        raise ValueError("must have lists of measurements")
    return tuple(_word(each) for each in value)
