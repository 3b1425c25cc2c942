# SPDX-License-Identifier: Apache-2.0
"""The process of transformers under test. Commands: `load`, then `ask`.

All prompts form one batch; they have the same length, so nothing is padded.
"""

import time
from importlib import import_module
from typing import Any

import torch

from benchmarks.errors import AnswerIncomplete
from benchmarks.runtime.machine.workers import Command, serve

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TransformersProcess:
    """One model, computed by `generate`."""

    def __init__(self) -> None:
        self._transformers: Any = import_module("transformers")
        self._model: Any = None

    def load(self, command: Command) -> Command:
        """Loads the model onto the device."""
        self._transformers.logging.set_verbosity_error()
        self._transformers.logging.disable_progress_bar()
        loading = self._transformers.AutoModelForCausalLM
        dtype = DTYPES[command["precision"]]
        model = loading.from_pretrained(command["model"], dtype=dtype)
        self._model = model.eval().to(command["device"])
        return {}

    @torch.inference_mode()
    def ask(self, command: Command) -> Command:
        """Answers all prompts and records when tokens arrive."""
        prompts = torch.tensor(command["prompts"], device=self._model.device)
        new_tokens = command["newTokens"]
        times: list[float] = []

        def record(token_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            token_ids[:, -1].tolist()  # waits for the GPU before reading the clock
            times.append(time.monotonic())
            return torch.zeros(len(token_ids), dtype=torch.bool, device=token_ids.device)

        began = time.monotonic()
        self._model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            generation_config=self._transformers.GenerationConfig(
                max_new_tokens=new_tokens, do_sample=False, eos_token_id=None, pad_token_id=0
            ),
            stopping_criteria=self._transformers.StoppingCriteriaList([record]),
        )
        if len(times) != new_tokens:
            raise AnswerIncomplete("transformers", new_tokens, len(times))
        return {"began": began, "tokenTimes": [times] * len(prompts), "ended": time.monotonic()}


if __name__ == "__main__":
    serve(TransformersProcess())
