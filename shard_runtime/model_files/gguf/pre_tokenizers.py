# SPDX-License-Identifier: Apache-2.0
"""The byte-level pre-tokenizers that `tokenizer.ggml.pre` names: how text is split before merging.

Each accepted name has the definition of the model family's own tokenizer.json, compared with the
regular expressions and flags that llama.cpp's src/llama-vocab.cpp has for the name. Other names are
refused: a wrong split gives token ids that the model was not trained with.
"""

from dataclasses import dataclass

from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, Digits, PreTokenizer, Sequence, Split

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_END = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_SYMBOLS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_SYMBOLS_AND_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
_CAPITALIZED = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
_CAPITALS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"

_LLAMA3 = "|".join((_CONTRACTIONS, _WORD, r"\p{N}{1,3}", _SYMBOLS, _END))
_QWEN2 = "|".join((_CONTRACTIONS, _WORD, r"\p{N}", _SYMBOLS, _END))
_TEKKEN = "|".join((_CAPITALIZED, _CAPITALS, r"\p{N}", _SYMBOLS_AND_SLASH, _END))
_GPT_4O = "|".join(
    (
        f"{_CAPITALIZED}{_CONTRACTIONS}?",
        f"{_CAPITALS}{_CONTRACTIONS}?",
        r"\p{N}{1,3}",
        _SYMBOLS_AND_SLASH,
        _END,
    )
)


@dataclass(frozen=True, slots=True)
class PreTokenization:
    """What a name says beside the vocabulary and the merges."""

    expression: str | None = None
    """Splits the text; None for the expression of GPT-2."""
    single_digits: bool = False
    """Whether every digit is split off before the expression applies."""
    ignores_merges: bool = False
    """Whether a piece that is a token is taken as it is, without merging."""
    adds_bos: bool = False
    """Whether plain text begins with the beginning-of-sequence token, unless the file says."""

    def build(self) -> PreTokenizer:
        """The pre-tokenizer of the tokenizers package."""
        if self.expression is not None:
            split = Split(Regex(self.expression), behavior="isolated")
            return Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
        bytes_of_words = ByteLevel(add_prefix_space=False)
        if self.single_digits:
            return Sequence([Digits(individual_digits=True), bytes_of_words])
        return bytes_of_words


_LLAMA_3 = PreTokenization(_LLAMA3, ignores_merges=True, adds_bos=True)

PRE_TOKENIZERS = {
    "gpt-2": PreTokenization(),
    "smollm": PreTokenization(single_digits=True),
    "llama-bpe": _LLAMA_3,
    "llama3": _LLAMA_3,
    "llama-v3": _LLAMA_3,
    "dbrx": PreTokenization(_LLAMA3),
    "qwen2": PreTokenization(_QWEN2),
    "deepseek-r1-qwen": PreTokenization(_QWEN2),
    "tekken": PreTokenization(_TEKKEN, ignores_merges=True, adds_bos=True),
    "gpt-4o": PreTokenization(_GPT_4O),
}
