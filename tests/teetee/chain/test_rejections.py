# SPDX-License-Identifier: Apache-2.0
"""Reverts as errors.

given revert data
    when it is a custom error of one of the contracts
        it should carry its name, with its arguments by name
        it should be of its class, where product code catches one
    when it is Solidity's own, unknown, cut or empty
        it should still be a refusal
given the custom errors of the committed ABIs
    each should have a sentence that says what to do next, and no other error should have one
"""

from string import Formatter

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from teetee.chain.abi import error_types
from teetee.chain.contract_errors import (
    SENTENCES,
    ContractRejected,
    PlatformRefused,
    RequestNotOpen,
    decode_rejection,
)
from teetee.chain.next_steps import NEXT_STEPS


def data_of(signature: str, *values: object) -> bytes:
    kinds = signature[signature.index("(") + 1 : -1].split(",")
    return keccak(text=signature)[:4] + encode([kind for kind in kinds if kind], values)


def test_decode__known_error__is_its_class_with_arguments() -> None:
    error = decode_rejection(data_of("RequestNotOpen(uint256,uint8)", 7, 2))
    assert type(error) is RequestNotOpen
    assert error.arguments == {"requestId": 7, "status": 2}
    assert str(error).startswith("Request 7 is settled (RequestNotOpen). ")


def test_decode__address_argument__is_checksummed() -> None:
    address = "0x60b50f9dfb195eb858ec09a4657030558f33cebb"
    error = decode_rejection(
        data_of("TokenAllowanceTooLow(address,uint256,uint256)", address, 1, 2)
    )
    assert error.name == "TokenAllowanceTooLow"
    assert error.arguments["requester"] == "0x60B50f9DFb195eb858ec09a4657030558f33CEbb"


def test_decode__error_without_a_class__is_general_by_name() -> None:
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


@pytest.mark.parametrize(
    "data",
    [
        data_of("CollateralMissing(bytes6,uint256)", bytes(6), 18),
        data_of("TcbStatusRefused(bytes32,uint8)", bytes(32), 7),
        data_of("TcbRefused(uint8)", 9),
    ],
    ids=["no collateral", "status", "revoked"],
)
def test_decode__refusal_that_newer_collateral_may_lift__is_of_one_class(data: bytes) -> None:
    assert type(decode_rejection(data)) is PlatformRefused


def test_next_steps__every_custom_error_of_the_abis__has_one() -> None:
    names = {error.name for error in error_types().values()}
    assert set(NEXT_STEPS) == names
    assert all(sentence.endswith(".") for sentence in NEXT_STEPS.values())


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("UnknownModel", {"modelId": 7}, "There is no model 7 (UnknownModel). List the models"),
        ("ShardNotActive", {"shardId": 4, "status": 2}, "Shard 4 is retired (ShardNotActive)."),
        ("TcbRefused", {"status": 7}, "TcbRefused(status=OutOfDate)"),
        (
            "CollateralNotInForce",
            {"issuedAt": 1750327235, "nextUpdate": (1 << 256) - 1},
            f"(issuedAt=2025-06-19 10:00:35 UTC, nextUpdate={(1 << 256) - 1})",
        ),
        (
            "ERC20InsufficientBalance",
            {"sender": "x", "balance": 10**18, "needed": 25 * 10**17},
            "(sender=x, balance=1 TEE, needed=2.5 TEE)",
        ),
        ("FaucetTooSoon", {}, "The contract refused: FaucetTooSoon()."),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalnum() else "",
)
def test_message__of_a_custom_error__says_it_in_words_that_people_use(
    name: str, arguments: dict[str, object], words: str
) -> None:
    assert words in str(ContractRejected(name, arguments))


def test_sentences__each__is_of_a_custom_error_and_its_arguments() -> None:
    arguments = {error.name: set(error.names) for error in error_types().values()}
    for name, sentence in SENTENCES.items():
        named = {field for _, field, _, _ in Formatter().parse(sentence) if field}
        assert named <= arguments[name], name


def test_message__of_a_custom_error__ends_with_its_next_step() -> None:
    error = ContractRejected("ShardStillFit", {"shardId": 3})
    assert str(error) == "The contract refused: ShardStillFit(shardId=3). Leave the shard alone."
    assert error.error_name == "ShardStillFit"
