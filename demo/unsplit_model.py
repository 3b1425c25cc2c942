# SPDX-License-Identifier: Apache-2.0
"""transformers' answer of the unsplit model, which the split model's answer must equal.

    python -m demo.unsplit_model < {"model", "messages", "maxTokens"}     → {"tokenIds", "text"}

This process shares no code with the split model, from tokenizer to text: if both had the same bug,
equality would prove nothing. Input and output are pipes, because they hold question and answer.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def answer(model: Path, messages: list[dict[str, str]], max_tokens: int) -> dict[str, Any]:
    """Greedy, float32. `model` is a folder with safetensors or with one GGUF."""
    torch = import_module("torch")
    ggufs = sorted(model.glob("*.gguf"))
    tokenizer = _gguf_tokenizer(ggufs[0]) if ggufs else _tokenizer(model)
    unsplit = _from_gguf(ggufs[0]) if ggufs else _from_folder(model)
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids  # (1, T)
    with torch.inference_mode():
        whole = unsplit.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=max_tokens,
            do_sample=False,
        )
    token_ids = whole[0, prompt.shape[1] :].tolist()
    return {"tokenIds": token_ids, "text": tokenizer.decode(token_ids, skip_special_tokens=True)}


def _tokenizer(folder: Path, **source: str) -> Any:
    return import_module("transformers").AutoTokenizer.from_pretrained(folder, **source)


def _gguf_tokenizer(path: Path) -> Any:
    # Alone in a folder: beside a tokenizer.json, transformers does not read the chat template from
    # the GGUF.
    with TemporaryDirectory() as folder:
        Path(folder, path.name).symlink_to(path.resolve())
        tokenizer = _tokenizer(Path(folder), gguf_file=path.name)
    described = import_module("transformers.integrations.gguf").get_gguf_tokenizer(str(path))[1]
    if described.get("pre_tokenizer_type") == "smollm":
        # SmolLM's tokenizer.json splits digits off first; transformers does not know the name.
        steps = import_module("tokenizers.pre_tokenizers")
        tokenizer.backend_tokenizer.pre_tokenizer = steps.Sequence(
            [steps.Digits(individual_digits=True), steps.ByteLevel(add_prefix_space=False)]
        )
    return tokenizer


def _from_folder(folder: Path) -> Any:
    torch, transformers = import_module("torch"), import_module("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


def _from_gguf(path: Path) -> Any:
    """As `from_pretrained(gguf_file=…)`, which requires one more package."""
    torch, transformers = import_module("torch"), import_module("transformers")
    loading = import_module("transformers.modeling_gguf_pytorch_utils")
    make = transformers.AutoModelForCausalLM.from_config
    config = transformers.AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    with torch.device("meta"):
        shape = make(config)
    loaded = loading.load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=shape)
    model = make(config, dtype=torch.float32)
    missing, unexpected = model.load_state_dict(loaded["tensors"], strict=False)
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    if unexpected or set(missing) - tied:
        raise ValueError("the file's tensors are not the model's")
    model.tie_weights()
    return model.eval()


def main() -> None:
    """From stdin to stdout. Errors name only their class: their text could contain the question."""
    try:
        asked = json.load(sys.stdin)
        found = answer(Path(asked["model"]), asked["messages"], asked["maxTokens"])
    except Exception as error:  # noqa: BLE001 - the boundary of this process
        sys.exit(f"the unsplit model did not answer: {type(error).__name__}")
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
