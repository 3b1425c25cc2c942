# SPDX-License-Identifier: Apache-2.0
"""Chooses the next token. The same logits, options and index give the same token in any batch."""

import secrets
from hashlib import sha256

import torch

from teetee.protocol.prompt import Sampling


class Sampler:
    """Chooses the tokens of one request.

    Randomness is a hash of seed and index, not a generator's state: a run that replays its history
    continues with the same tokens.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._seed = secrets.randbits(128) if sampling.seed is None else sampling.seed

    def choose(self, logits: torch.Tensor, index: int) -> int:
        """The token at answer position `index`, from (V,) logits."""
        if self._sampling.temperature == 0:
            return int(logits.cpu().numpy().argmax())  # several times faster than torch's
        scores, tokens = torch.sort(logits.double(), descending=True, stable=True)
        if self._sampling.top_k:
            scores = scores[: self._sampling.top_k]
        shares = torch.softmax(_scaled(scores, self._sampling.temperature), dim=-1)
        before = shares.cumsum(-1) - shares  # probability of all likelier tokens
        shares = shares[before < self._sampling.top_p]
        threshold = self._uniform(index) * float(shares.sum())
        place = int(torch.searchsorted(shares.cumsum(-1), threshold, right=True))
        return int(tokens[min(place, len(shares) - 1)])

    def _uniform(self, index: int) -> float:
        """In [0, 1), 53 bits."""
        digest = sha256(f"teetee/sampling/v1/{self._seed}/{index}".encode()).digest()
        return (int.from_bytes(digest[:8]) >> 11) / (1 << 53)


def _scaled(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    """Descending scores over the temperature. If it is so low that they overflow, their distances
    from the first, which then has the whole probability.
    """
    scaled = scores / temperature
    if bool(torch.isfinite(scaled).all()):
        return scaled
    return (scores - scores[0]) / temperature
