# SPDX-License-Identifier: Apache-2.0
"""The tables of config fields, compared with the configuration classes of transformers.

given a family's class in transformers
    each of its fields should be in our table
    a field that is computed should have the class's default
    the table should accept no value of a type that the class refuses
given a field that transformers pops as a setting of generate()
    it should have no effect here either
given a field that is not in the table
    opening should fail, naming field and value
"""

import copy
import json
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from transformers import CONFIG_MAPPING, GenerationConfig

from shard_runtime.errors import ConfigFieldUnsupported, ModelFileInvalid
from shard_runtime.model_files.config.config_json import read_config_json
from shard_runtime.model_files.config.family_fields import FAMILY_FIELDS, WRAPPER_FIELDS
from shard_runtime.model_files.config.field_table import ABSENT, Field
from tests.shard_runtime.model_files.config.base_configs import BASES
from tests.shard_runtime.model_files.config.reference import Reference

_TABLES = FAMILY_FIELDS | WRAPPER_FIELDS
_SAMPLES: tuple[Any, ...] = (1, 1.0, True, "silu", [], {}, None)


def class_fields(model_type: str) -> dict[str, Any]:
    """The fields of the class in transformers, with their defaults."""
    found = fields(CONFIG_MAPPING[model_type])
    return {each.name: each.default for each in found if each.default is not MISSING}


def accepts(field: Field, value: Any) -> bool:
    return type(value) in field.types and (field.allows is None or field.allows(value))


@pytest.mark.parametrize("model_type", _TABLES)
def test_table__every_field_of_the_class__is_listed_with_its_default(model_type: str) -> None:
    table = _TABLES[model_type]
    for name, default in class_fields(model_type).items():
        assert name in table, name
        field = table[name]
        if field.is_computed and name not in ("rope_parameters", "layer_types"):
            assert (field.default, type(field.default)) == (default, type(default)), name
        if field.allows is not None:
            assert field.allows(default), name


@pytest.mark.parametrize("model_type", FAMILY_FIELDS)
def test_table__default_theta__is_that_of_the_class(model_type: str) -> None:
    theta = getattr(CONFIG_MAPPING[model_type], "default_theta", 10000.0)
    table = FAMILY_FIELDS[model_type]
    if isinstance(theta, dict):
        assert table["rope_local_base_freq"].default == theta["local"]
        theta = theta["global"]
    if model_type != "gpt2":
        assert table["rope_theta"].default == theta


@pytest.mark.parametrize("model_type", FAMILY_FIELDS)
def test_table__type_that_the_class_refuses__is_refused(model_type: str) -> None:
    table, accepted = FAMILY_FIELDS[model_type], CONFIG_MAPPING[model_type]
    for name in class_fields(model_type):
        for value in _SAMPLES:
            if accepts(table[name], value):
                config = accepted()
                setattr(config, name, copy.deepcopy(value))  # checks the type


def test_table__settings_of_generate__have_no_effect() -> None:
    settings = GenerationConfig._get_default_generation_params()
    for table in FAMILY_FIELDS.values():
        assert all(not table[name].is_computed for name in settings)


@pytest.mark.parametrize("model_type", FAMILY_FIELDS)
def test_table__every_computed_default__is_a_type_of_the_field(model_type: str) -> None:
    for name, field in FAMILY_FIELDS[model_type].items():
        assert field.default is ABSENT or type(field.default) in field.types, name


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logits_scaling", 8.0),
        ("residual_multiplier", 0.5),
        ("attention_chunk_size", 8192),
        ("no_rope_layers", [0, 1]),
        ("is_causal", False),
        ("sliding_windows", None),
        ("transformers_weights", "other.safetensors"),
        ("configuration_files", ["config.4.0.0.json"]),
    ],
)
def test_read__unknown_field__is_refused_by_name(
    tmp_path: Path, name: str, field: str, value: Any
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(BASES[name] | {field: value}))
    with pytest.raises(ConfigFieldUnsupported, match=f"sets {field} to") as raised:
        read_config_json(path)
    assert json.loads(raised.value.value) == value


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("llama", "rope_interleaved", True),
        ("llama", "activation", "gelu"),
        ("gpt2", "n_special", 1),
        ("gemma2", "sliding_window_size", 2048),
        ("qwen2", "use_mrope", True),
        ("qwen3_moe", "shared_expert_intermediate_size", 512),
        ("phi3", "mlp_bias", True),
        ("phi3", "attention_bias", True),
        ("gemma", "hidden_activation", "silu"),
        ("gemma2", "hidden_act", "silu"),
        ("gemma2", "attn_implementation", "sdpa"),
        ("mistral", "is_encoder_decoder", True),
        ("gpt2", "pruned_heads", {"0": [1]}),
        ("gpt2", "dtype", "float8_e4m3fn"),
    ],
)
def test_read__value_that_may_change_the_result__is_refused_by_name(
    tmp_path: Path, name: str, field: str, value: Any
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(BASES[name] | {field: value}))
    with pytest.raises(ConfigFieldUnsupported) as raised:
        read_config_json(path)
    assert (raised.value.field, json.loads(raised.value.value)) == (field, value)


@pytest.mark.parametrize("name", BASES)
def test_read__field_twice__is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(BASES[name])[:-1] + ', "model_type": "llama"}')
    with pytest.raises(ModelFileInvalid, match="has the field model_type more than once"):
        read_config_json(path)


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("gemma", "tie_word_embeddings"),
        ("gemma2", "tie_word_embeddings"),
        ("gemma3_text", "tie_word_embeddings"),
        ("gpt2", "tie_word_embeddings"),
        ("llama", "tie_word_embeddings"),
        ("mistral", "sliding_window"),
        ("ministral", "sliding_window"),
        ("qwen2", "sliding_window"),
        ("qwen3 with windows", "max_window_layers"),
        ("gemma2", "sliding_window"),
        ("phi3", "sliding_window"),
        ("mixtral", "num_experts_per_tok"),
        ("qwen3_moe", "num_experts_per_tok"),
        ("llama", "max_position_embeddings"),
        ("llama", "intermediate_size"),
        ("qwen3", "intermediate_size"),
        ("gpt2", "n_inner"),
        ("llama", "rms_norm_eps"),
        ("mixtral", "rms_norm_eps"),
    ],
)
def test_logits__field_absent__follow_the_default_of_the_family(
    reference: Reference, name: str, dropped: str
) -> None:
    config = dict(BASES[name])
    if dropped == "num_experts_per_tok":
        config |= {"num_experts" if name == "qwen3_moe" else "num_local_experts": 8}
    del config[dropped]
    reference.compare(json.dumps(config))
    assert reference.counts["computed equal"] == 1


def test_sliding_window__absent_beside_layer_types__is_4096(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for name in ("mistral", "ministral", "qwen2"):
        config = {key: value for key, value in BASES[name].items() if key != "sliding_window"}
        path.write_text(json.dumps(config | {"layer_types": ["sliding_attention"] * 3}))
        assert read_config_json(path).windows == (4096, 4096, 4096)
