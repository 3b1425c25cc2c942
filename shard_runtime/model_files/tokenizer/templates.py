# SPDX-License-Identifier: Apache-2.0
"""Finds a model's default chat template: a file beside the weights, a field, or GGUF metadata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shard_runtime.errors import ModelFileInvalid, TokenizerUnsupported


def read_chat_template(
    folder: Path, configuration: Mapping[str, Any], metadata: Mapping[str, Any]
) -> str | None:
    """The template for conversations without tools; None if the model has none.

    configuration: tokenizer_config.json. metadata: of the GGUF. Raises `ModelFileInvalid`,
    `TokenizerUnsupported` for several templates of which none is the default.
    """
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        try:
            return beside.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise ModelFileInvalid(str(beside), "it cannot be read as UTF-8") from None
    if any((folder / "additional_chat_templates").glob("*.jinja")):
        raise TokenizerUnsupported(
            str(folder), "additional_chat_templates has templates, chat_template.jinja is absent"
        )
    file = str(folder / "tokenizer_config.json")
    template = _default(configuration.get("chat_template"), file)
    if template is None:
        template = metadata.get("tokenizer.chat_template")
    if template is not None and not isinstance(template, str):
        raise TokenizerUnsupported(file, f"its chat_template is {template!r:.80}, not a text")
    return template


def _default(template: Any, file: str) -> Any:
    """The default of several named templates, written as a list or as an object."""
    if isinstance(template, list):
        template = {
            each.get("name"): each.get("template") for each in template if isinstance(each, dict)
        }
    if not isinstance(template, dict):
        return template
    if not isinstance(template.get("default"), str):
        raise TokenizerUnsupported(
            file, f"its chat_template has {sorted(map(str, template))!r:.80}, but no default"
        )
    return template["default"]
