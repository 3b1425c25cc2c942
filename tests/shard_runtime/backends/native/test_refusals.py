# SPDX-License-Identifier: Apache-2.0
"""Invalid input is refused in Python, because the C++ code checks nothing.

given shapes, numbers or positions that do not fit
    when they are passed to a native object
        it should raise an error that names the problem, before any native call
given a library that is missing or invalid
    when it is loaded
        it should say how to build one
"""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from shard_runtime.backends.native import (
    NativeCache,
    NativeEmbedding,
    NativeHead,
    NativeInputInvalid,
    NativeLayers,
    NativeMatrix,
    NativeSpan,
    NativeUnavailable,
    Precision,
    ThreadPool,
    load_library,
    pack_matrix,
    shared_library,
    unsupported_reason,
)
from shard_runtime.backends.native.cache import CacheShape
from shard_runtime.backends.native.shared_library import Library
from tests.shard_runtime.backends.native.random_layers import LLAMA, layers_of, weights_of

INT8 = Precision.INT8


@pytest.fixture(scope="module")
def layers(native_library: Library) -> NativeLayers:
    return layers_of(LLAMA, INT8)


def forward(layers: NativeLayers, hidden: torch.Tensor, *spans: NativeSpan) -> torch.Tensor:
    return layers.forward(hidden, spans)


@pytest.mark.parametrize(("first", "rows"), [(-1, 2), (0, 0), (0, -1), (19, 2), (20, 1)])
def test_forward__span_beyond_its_cache__is_refused(
    layers: NativeLayers, first: int, rows: int
) -> None:
    cache = layers.allocate_cache(20)
    with pytest.raises(NativeInputInvalid):
        forward(layers, torch.zeros(max(rows, 0), 72), NativeSpan(cache, first, rows))


@pytest.mark.parametrize(
    "hidden",
    [torch.zeros(2, 72), torch.zeros(1, 71), torch.zeros(72), torch.zeros(1, 72).double()],
    ids=["too many rows", "too narrow", "a vector", "float64"],
)
def test_forward__hidden_states_that_do_not_fit__are_refused(
    layers: NativeLayers, hidden: torch.Tensor
) -> None:
    with pytest.raises(NativeInputInvalid, match="hidden states"):
        forward(layers, hidden, NativeSpan(layers.allocate_cache(4), 0, 1))


def test_forward__cache_of_other_layers__is_refused(layers: NativeLayers) -> None:
    fewer_heads = replace(LLAMA, kv_head_count=1)
    for shape in (
        CacheShape.of(LLAMA, 2, INT8),
        CacheShape.of(LLAMA, 3, Precision.FLOAT32),
        CacheShape.of(fewer_heads, 3, INT8),
    ):
        with pytest.raises(NativeInputInvalid, match="a cache"):
            forward(layers, torch.zeros(1, 72), NativeSpan(NativeCache(shape, 8), 0, 1))


def test_forward__one_cache_twice__is_refused(layers: NativeLayers) -> None:
    cache = layers.allocate_cache(8)
    with pytest.raises(NativeInputInvalid, match="spans"):
        forward(layers, torch.zeros(2, 72), NativeSpan(cache, 0, 1), NativeSpan(cache, 1, 1))


def test_forward__no_rows__gives_none(layers: NativeLayers) -> None:
    assert forward(layers, torch.zeros(0, 72)).shape == (0, 72)


def test_forward__strided_hidden_states__equal_contiguous_ones(layers: NativeLayers) -> None:
    wide = torch.randn(3, 144)
    actual = forward(layers, wide[:, ::2], NativeSpan(layers.allocate_cache(3), 0, 3))
    assert torch.equal(
        actual, forward(layers, wide[:, ::2].clone(), NativeSpan(layers.allocate_cache(3), 0, 3))
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: NativeMatrix(0, 4, precision=INT8),
        lambda: pack_matrix(torch.zeros(4), precision=INT8),
        lambda: pack_matrix(torch.full((2, 3), math.nan), precision=INT8),
        lambda: pack_matrix(torch.full((2, 3), math.inf), precision=Precision.FLOAT32),
        lambda: pack_matrix(torch.full((2, 3), 1e8), precision=INT8),
        lambda: pack_matrix(torch.zeros(2, 3), torch.zeros(3), precision=INT8),
        lambda: NativeMatrix(4, 4, precision=INT8).put_rows(3, torch.zeros(2, 4)),
        lambda: NativeMatrix(4, 4, precision=INT8).put_rows(-1, torch.zeros(2, 4)),
        lambda: NativeMatrix(4, 4, precision=INT8).put_rows(0, torch.zeros(2, 5)),
        lambda: NativeMatrix(4, 4, precision=INT8).put_rows(0, torch.zeros(0, 4)),
        lambda: NativeMatrix(4, 4, precision=INT8).put_rows(0, torch.zeros(2, 4).half()),
        lambda: NativeEmbedding(pack_matrix(torch.zeros(4, 4), precision=INT8)).rows([4]),
        lambda: NativeEmbedding(pack_matrix(torch.zeros(4, 4), precision=INT8)).rows([-1]),
        lambda: ThreadPool(threads=0),
        lambda: layers_of(LLAMA, INT8).allocate_cache(0),
    ],
)
def test_arguments__that_do_not_fit__are_refused(call: Callable[[], object]) -> None:
    with pytest.raises(NativeInputInvalid):
        call()


def test_add_layer__weights_of_another_shape__are_refused() -> None:
    layers = NativeLayers(LLAMA, precision=INT8, thread_pool=ThreadPool())
    for change in ({"hidden_size": 64}, {"intermediate_size": 99}, {"head_size": 14}):
        other = weights_of(replace(LLAMA, **change), 0)
        with pytest.raises(NativeInputInvalid):
            layers.pack_and_add(other, 0)
    with pytest.raises(NativeInputInvalid, match="a window"):
        layers.pack_and_add(weights_of(LLAMA, 0), -1)
    assert len(layers) == 0


def test_logits__hidden_states_that_do_not_fit__are_refused() -> None:
    matrix = pack_matrix(torch.zeros(9, 72), precision=INT8)
    head = NativeHead(torch.ones(72), matrix, norm_epsilon=1e-5, thread_pool=ThreadPool())
    for hidden in (torch.zeros(72), torch.zeros(1, 73), torch.zeros(1, 72).half()):
        with pytest.raises(NativeInputInvalid, match="hidden states"):
            head.logits(hidden)
    with pytest.raises(NativeInputInvalid, match="a norm"):
        NativeHead(torch.ones(71), matrix, norm_epsilon=1e-5, thread_pool=ThreadPool())


def test_unsupported_reason__model_that_the_kernels_cannot_compute__says_why() -> None:
    assert unsupported_reason(LLAMA) is None
    unusual = replace(LLAMA, norm="layer")
    assert unsupported_reason(unusual) == "its norms are not plain RMSNorm"
    with pytest.raises(NativeInputInvalid, match="plain RMSNorm"):
        NativeLayers(unusual, precision=INT8, thread_pool=ThreadPool())
    assert "4096" in (unsupported_reason(replace(LLAMA, head_size=4096)) or "")


def test_load_library__missing_or_foreign__says_how_to_build_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.so"
    foreign.write_bytes(b"not a library")
    load_library.cache_clear()
    try:
        for path, reason in (
            (tmp_path / "none.so", "does not exist"),
            (foreign, "cannot be loaded"),
        ):
            monkeypatch.setattr(shared_library, "BUILT", path)
            with pytest.raises(NativeUnavailable, match=reason) as caught:
                load_library()
            assert "make native" in str(caught.value)
    finally:
        monkeypatch.undo()
        load_library.cache_clear()


def test_h3_load_library__environment_names_another_library__loads_the_built_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    foreign = tmp_path / "evil.so"
    foreign.write_bytes(b"code of the host")
    monkeypatch.setenv("TEETEE_NATIVE_LIBRARY", str(foreign))
    load_library.cache_clear()
    assert load_library().instructions() != []


def test_thread_pool__instruction_set_that_does_not_exist__is_unavailable() -> None:
    with pytest.raises(NativeUnavailable, match="sse9"):
        ThreadPool(instructions="sse9")
