# SPDX-License-Identifier: Apache-2.0
"""Derives BPE merges from a sentencepiece vocabulary, which has a score for each token instead.

llama.cpp joins the neighbours whose joint token has the highest score, the leftmost first. Merges
in the order of the scores do the same.
"""

from collections.abc import Mapping, Sequence


def derive_merges(vocabulary: Mapping[str, int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """All pairs of tokens that make a token, best first.

    Pairs of equal score are ordered by the length of their left part, so that in a run of one
    character the leftmost pair is joined first.
    """
    ranked = []
    for text, token in vocabulary.items():
        for index in range(1, len(text)):
            left, right = text[:index], text[index:]
            if left in vocabulary and right in vocabulary:
                ranked.append((scores[token], len(left), len(right), left, right))
    ranked.sort(key=lambda each: each[:3], reverse=True)
    return [(left, right) for *_, left, right in ranked]
