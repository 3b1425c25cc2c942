# SPDX-License-Identifier: Apache-2.0
"""Reverts as errors.

given revert data
    when it is a custom error of one of the contracts
        it should be the class of its name, with its arguments by name
    when nobody decides on that error
        it should be the general class
    when it is Solidity's own, unknown, cut or empty
        it should still be a refusal
given the named classes
    each should be an error that a contract can really raise, and say what to do next
"""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from teetee.chain.abi import error_types
from teetee.chain.contract_errors import (
    NAMED,
    ContractRejected,
    RequestNotOpen,
    TokenAllowanceTooLow,
    decode_rejection,
)


def data_of(signature: str, *values: object) -> bytes:
    kinds = signature[signature.index("(") + 1 : -1].split(",")
    return keccak(text=signature)[:4] + encode([kind for kind in kinds if kind], values)


def test_decode__known_error__is_its_class_with_arguments() -> None:
    error = decode_rejection(data_of("RequestNotOpen(uint256,uint8)", 7, 2))
    assert type(error) is RequestNotOpen
    assert error.arguments == {"requestId": 7, "status": 2}
    assert "RequestNotOpen(requestId=7, status=2)" in str(error)


def test_decode__address_argument__is_checksummed() -> None:
    address = "0x60b50f9dfb195eb858ec09a4657030558f33cebb"
    error = decode_rejection(
        data_of("TokenAllowanceTooLow(address,uint256,uint256)", address, 1, 2)
    )
    assert type(error) is TokenAllowanceTooLow
    assert error.arguments["requester"] == "0x60B50f9DFb195eb858ec09a4657030558f33CEbb"


def test_decode__error_that_nobody_decides_on__is_general_by_name() -> None:
    error = decode_rejection(data_of("NoLayers()"))
    assert (type(error), error.name, error.arguments) == (ContractRejected, "NoLayers", {})


@pytest.mark.parametrize(
    ("data", "name", "arguments"),
    [
        (data_of("Error(string)", "why"), "Error", {"reason": "why"}),
        (data_of("Panic(uint256)", 0x11), "Panic", {"code": 0x11}),
        (bytes.fromhex("deadbeef"), "0xdeadbeef", {}),
        (b"", "without a reason", {}),
        (data_of("RequestNotOpen(uint256,uint8)", 7, 2)[:20], None, {}),
        (data_of("Error(string)", "why")[:40], "0x08c379a0", {}),
    ],
    ids=["string", "panic", "unknown", "empty", "cut error", "cut string"],
)
def test_decode__anything_else__is_a_refusal_still(
    data: bytes, name: str | None, arguments: dict[str, object]
) -> None:
    error = decode_rejection(data)
    assert type(error) is ContractRejected
    assert error.name == (name or "0x" + data[:4].hex())
    assert error.arguments == arguments


@given(data=st.binary(max_size=200))
def test_decode__any_bytes__is_a_refusal(data: bytes) -> None:
    assert isinstance(decode_rejection(data), ContractRejected)


def test_named__every_class__is_an_error_of_a_contract_and_says_what_to_do() -> None:
    raised = {error.name for error in error_types().values()}
    assert set(NAMED) <= raised
    for named in NAMED.values():
        assert named.next_step != ContractRejected.next_step
        assert named.next_step.endswith(".")
