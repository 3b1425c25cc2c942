"""The unsplit model by transformers' own `generate`, in a process of its own: `load`, then `ask`.

All prompts are one batch: they are equally long, so nothing is padded.
"""

import time
from importlib import import_module
from typing import Any

import torch

from benchmarks.errors import AnswerIncomplete
from benchmarks.runtime.workers import Command, serve


class TransformersProcess:
    """One model."""

    def __init__(self) -> None:
        self._transformers: Any = import_module("transformers")
        self._model: Any = None

    def load(self, command: Command) -> Command:
        self._transformers.logging.set_verbosity_error()
        self._transformers.logging.disable_progress_bar()
        loading = self._transformers.AutoModelForCausalLM
        self._model = loading.from_pretrained(command["model"], dtype=torch.float32).eval()
        return {}

    @torch.inference_mode()
    def ask(self, command: Command) -> Command:
        prompts, new_tokens = torch.tensor(command["prompts"]), command["newTokens"]
        moments: list[float] = []

        def note(token_ids: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
            moments.append(time.monotonic())
            return torch.zeros(len(token_ids), dtype=torch.bool)

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
        return {"began": began, "moments": [moments] * len(prompts)}


if __name__ == "__main__":
    serve(TransformersProcess())
