# SPDX-License-Identifier: Apache-2.0
"""The unsplit model by transformers' own `generate`, in a process of its own: `load`, then `ask`.

All prompts are one batch: they are equally long, so nothing is padded.
"""

import time
from importlib import import_module
from typing import Any

import torch

from benchmarks.errors import AnswerIncomplete
from benchmarks.runtime.machine.workers import Command, serve

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class TransformersProcess:
    """One model."""

    def __init__(self) -> None:
        self._transformers: Any = import_module("transformers")
        self._model: Any = None

    def load(self, command: Command) -> Command:
        self._transformers.logging.set_verbosity_error()
        self._transformers.logging.disable_progress_bar()
        loading = self._transformers.AutoModelForCausalLM
        dtype = DTYPES[command["precision"]]
        model = loading.from_pretrained(command["model"], dtype=dtype)
        self._model = model.eval().to(command["device"])
        return {}

    @torch.inference_mode()
    def ask(self, command: Command) -> Command:
        prompts = torch.tensor(command["prompts"], device=self._model.device)
        new_tokens = command["newTokens"]
        moments: list[float] = []

        def note(token_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            token_ids[:, -1].tolist()  # a GPU works on while we look at the clock
            moments.append(time.monotonic())
            return torch.zeros(len(token_ids), dtype=torch.bool, device=token_ids.device)

        began = time.monotonic()
        self._model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            generation_config=self._transformers.GenerationConfig(
                max_new_tokens=new_tokens, do_sample=False, eos_token_id=None, pad_token_id=0
            ),
            stopping_criteria=self._transformers.StoppingCriteriaList([note]),
        )
        if len(moments) != new_tokens:
            raise AnswerIncomplete("transformers", new_tokens, len(moments))
        return {"began": began, "moments": [moments] * len(prompts), "ended": time.monotonic()}


if __name__ == "__main__":
    serve(TransformersProcess())
