# SPDX-License-Identifier: Apache-2.0
"""The C structures of source/views.h, field by field."""

import ctypes

ABI = 1


class MatrixView(ctypes.Structure):
    """`Matrix`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("rows", ctypes.c_int64),
        ("columns", ctypes.c_int64),
        ("precision", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    )


class LayerView(ctypes.Structure):
    """`Layer`."""

    _fields_ = (
        ("attention_norm", ctypes.c_void_p),
        ("query_norm", ctypes.c_void_p),
        ("key_norm", ctypes.c_void_p),
        ("mlp_norm", ctypes.c_void_p),
        ("query_key_value", MatrixView),
        ("output", MatrixView),
        ("gate_up", MatrixView),
        ("down", MatrixView),
        ("window", ctypes.c_int64),
    )


class ModelView(ctypes.Structure):
    """`Model`."""

    _fields_ = (
        ("layers", ctypes.c_void_p),
        ("layer_count", ctypes.c_int64),
        ("hidden_size", ctypes.c_int64),
        ("intermediate_size", ctypes.c_int64),
        ("head_count", ctypes.c_int64),
        ("kv_head_count", ctypes.c_int64),
        ("head_size", ctypes.c_int64),
        ("cosines", ctypes.c_void_p),
        ("sines", ctypes.c_void_p),
        ("positions", ctypes.c_int64),
        ("norm_epsilon", ctypes.c_float),
        ("precision", ctypes.c_int32),
    )


class SpanView(ctypes.Structure):
    """`Span`."""

    _fields_ = (
        ("cache", ctypes.c_void_p),
        ("capacity", ctypes.c_int64),
        ("first", ctypes.c_int64),
        ("rows", ctypes.c_int64),
    )


class HeadView(ctypes.Structure):
    """`Head`."""

    _fields_ = (
        ("norm", ctypes.c_void_p),
        ("matrix", MatrixView),
        ("norm_epsilon", ctypes.c_float),
        ("unused", ctypes.c_int32),
    )
