# SPDX-License-Identifier: Apache-2.0
"""The errors of the wallet's side. Every message says what happened and what to do next.

    TeeTeeError
    ├── Retryable
    │   ├── EnclaveUnreachable      no connection to an enclave's endpoint
    │   ├── EnclaveRefused          the enclave gives no quote now
    │   ├── StreamBroken            the live stream ended early; the answer comes from the chain
    │   ├── StreamRefused           the entry answered with an error code
    │   ├── NotIncluded             the chain does not show the request yet
    │   ├── WalletBusy              another process pays from the wallet for too long
    │   ├── ShardUncheckable        a shard cannot be checked now, so it gets no part of a prompt
    │   └── PathUncheckable         without such shards no path is left, so nothing is sent
    └── Fatal
        ├── enclaves    PeerKeyMismatch, WrongPeerPurpose, SealingKeyRefused, StatementRefused
        ├── trust       AttestationMissing, CertificateMissing, CollateralMissing,
        │               CollateralKeptElsewhere, NoCollateralSource, PathRefused, ShardRefused
        ├── network     NoNetwork, NetworkUnknown, LocalNetworkMissing, MalformedNodeUrl
        ├── question    NoModel, ModelNotChosen, ModelUnknown, TooFewEntries, InvalidQuestion,
        │               PromptTooLong, MalformedAmount, PriceAboveLimit, InsufficientTokens,
        │               TransferAboveBalance, AllowanceTooSmall
        ├── shards      ShardOfAnother
        ├── keys        NoKey, MalformedKey, WrongPassphrase, NoPassphrase, KeystoreUnreadable,
        │               KeystoreOfAnotherAddress, KeystoreExists
        ├── files       FileNotWritten, FileNotRead, NoHomeFolder
        └── pending     PendingRequestUnreadable, NotPending, NotOpened

The classes of keys and files are in `teetee.client.wallet_file_errors`, those of hosting in
`teetee.client.hosting.errors`. No message ever holds a prompt, an answer or a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from teetee.client.times import format_time
from teetee.errors import Fatal, Retryable

# ---------------------------------------------------------------- enclaves


class EnclaveUnreachable(Retryable):
    """No connection, or no TLS handshake."""

    def __init__(self, endpoint: str, reason: str) -> None:
        self.endpoint = endpoint
        self.reason = reason
        super().__init__(
            f"The enclave at {endpoint} cannot be reached ({reason}). "
            "Check that it is running and that its port is open, then try again."
        )


class StreamBroken(Retryable):
    """The stream ended before the answer was complete."""

    def __init__(self, endpoint: str, reason: str) -> None:
        self.endpoint = endpoint
        super().__init__(
            f"The live stream from {endpoint} broke off ({reason}). "
            "Nothing is lost: the answer will come from the chain."
        )


class StreamRefused(Retryable):
    """The entry does not stream this request, or not yet."""

    def __init__(self, endpoint: str, code: str) -> None:
        self.endpoint = endpoint
        self.code = code
        super().__init__(
            f"The entry at {endpoint} does not stream this request (code {code!r}). "
            "Nothing is lost: the answer will come from the chain."
        )


class SealingKeyRefused(Fatal):
    """An entry does not show the key whose hash the registry keeps."""

    def __init__(self, shard_id: int, endpoint: str, rule: str) -> None:
        self.shard_id, self.endpoint = shard_id, endpoint
        super().__init__(
            f"Nothing is sealed to shard {shard_id} at {endpoint}: {rule}."
            " Nothing was sent or paid. Ask again; another entry may be chosen."
        )


class PeerKeyMismatch(Fatal):
    """The TLS key differs from the one in the registry."""

    def __init__(self, endpoint: str, *, expected: bytes, found: bytes) -> None:
        super().__init__(
            f"{endpoint} has another key than the registry shows (expected {expected.hex()}, found "
            f"{found.hex() or 'none'}). It is not the enrolled enclave, so nothing was sent. Tell "
            "the shard's host."
        )


class WrongPeerPurpose(Fatal):
    """The peer does not offer the ALPN purpose."""

    def __init__(self, endpoint: str, purpose: str, found: str | None) -> None:
        super().__init__(
            f"{endpoint} does not offer {purpose} (it chose {found or 'nothing'}). "
            "Check the endpoint, and that the enclave runs a matching version."
        )


# ---------------------------------------------------------------- trust


class EnclaveRefused(Retryable):
    """The enclave does not give a quote now."""

    def __init__(self, endpoint: str, code: str) -> None:
        self.code = code
        super().__init__(
            f"The enclave at {endpoint} does not give a quote (code {code!r}). It may be busy, or "
            "its node may not have the block yet. Try again in a moment, and read its log."
        )


class StatementRefused(Fatal):
    """The enclave's statement does not match chain, host or weights."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The enclave's statement was refused: {reason}. Nothing was sent to the chain. "
            "Correct the enclave's settings, or the wallet and network used here."
        )


class CertificateMissing(Fatal):
    """The quote cannot be rebuilt from the chain."""

    def __init__(self, name: str, pck_id: bytes) -> None:
        super().__init__(
            f"The chain has no {name} certificate for the quote's PCK 0x{pck_id.hex()}, or a wrong "
            "one. Check that the node serves all logs since the deployment."
        )


class AttestationMissing(Fatal):
    """No attestation event has that quote."""

    def __init__(self, shard_id: int, quote_hash: bytes) -> None:
        super().__init__(
            f"The chain has no attestation of shard {shard_id} with quote 0x{quote_hash.hex()}. "
            "Check that the node serves all logs since the deployment."
        )


class CollateralMissing(Fatal):
    """The folder has no collateral for this platform."""

    def __init__(self, folder: str, fmspc: str) -> None:
        super().__init__(
            f"{folder} has no collateral for platforms {fmspc}. Add it as JSON, or name a PCCS "
            "with --pccs."
        )


class NoCollateralSource(Fatal):
    """No source of collateral is named."""

    def __init__(self) -> None:
        super().__init__(
            "A quote cannot be checked without Intel's collateral. Name a PCCS with --pccs or "
            "TEETEE_PCCS, or a folder with --collateral; or trust the chain's own check with "
            "--skip-quote-check."
        )


class CollateralKeptElsewhere(Fatal):
    """The network's verifier uses collateral in other contracts."""

    def __init__(self) -> None:
        super().__init__(
            "This network checks platforms by Automata's contracts, which store the collateral: "
            "there is nothing to show or to upload here. Recheck a shard with `teetee host "
            "recheck`."
        )


class ShardRefused(Fatal):
    """A shard that could serve the request failed a check."""

    def __init__(self, shard_id: int, reason: str) -> None:
        self.shard_id = shard_id
        super().__init__(f"It gets no part of the prompt, because it failed a check: {reason}")


class ShardUncheckable(Retryable):
    """A shard that could serve the request cannot be checked now."""

    def __init__(self, shard_id: int, reason: str) -> None:
        self.shard_id = shard_id
        super().__init__(f"It gets no part of the prompt: it cannot be checked now: {reason}")


def _without(missing: str, problems: Mapping[int, str]) -> str:
    reasons = " ".join(f"Shard {number}: {reason}" for number, reason in problems.items())
    return f"{missing} Some shards were left out. {reasons} Nothing was sent or paid."


class PathRefused(Fatal):
    """Without the shards that failed a check, no path is left. `missing` says what is."""

    def __init__(self, missing: str, problems: Mapping[int, str]) -> None:
        self.problems = dict(problems)
        super().__init__(_without(missing, problems))


class PathUncheckable(Retryable):
    """The same, and some of these shards could only not be checked now."""

    def __init__(self, missing: str, problems: Mapping[int, str]) -> None:
        self.problems = dict(problems)
        super().__init__(_without(missing, problems))


class TooFewEntries(Fatal):
    """Fewer entries than requested recipients."""

    def __init__(self, model_id: int, wanted: int, found: int) -> None:
        super().__init__(
            f"{wanted} recipients need as many active entry shards with a complete path; model "
            f"{model_id} has {found}. Nothing was paid. Use fewer --recipients, or try later."
        )


class NoNetwork(Fatal):
    """No network is named, and there is none on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "No network is named. For one on this machine, run `make world` in another terminal "
            "and `source build/world.env` in this one. Otherwise, name one with --network, or its "
            "file with --deployment."
        )


class NetworkUnknown(Fatal):
    """No network has that name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"There is no network {name[:60]!r}. Known networks: {', '.join(known)}. For another "
            "one, name its file with --deployment."
        )


class LocalNetworkMissing(Fatal):
    """The local network is named, and nothing is deployed on it."""

    def __init__(self, network: str) -> None:
        super().__init__(
            f"Nothing is deployed on {network}. Run `make world` in another terminal and `source "
            "build/world.env` in this one, without --network; or deploy with `ape run deploy`."
        )


class MalformedNodeUrl(Fatal):
    """The address of a node is no URL."""

    def __init__(self, url: str) -> None:
        remedy = "Begin it with http:// or https://" if "://" in url else f"Write http://{url}"
        super().__init__(f"{url!r} is not the URL of an Ethereum node. {remedy} (--rpc).")


class NoModel(Fatal):
    """No model is published."""

    def __init__(self) -> None:
        super().__init__("No model is published on this network. Check --network.")


class ModelNotChosen(Fatal):
    """There are several models, and none is named."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"There are {count} models: choose one with --model, by number or name. `teetee "
            "models` lists them."
        )


class ModelUnknown(Fatal):
    """No model has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No model is called {name[:80]!r}. `teetee models` lists them.")


# ---------------------------------------------------------------- question and price


class InvalidQuestion(Fatal):
    """The question or an option is not valid."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"The question cannot be sent: {reason}. {remedy}")


class PromptTooLong(Fatal):
    """Prompt and answer exceed the model's context."""

    def __init__(self, tokens: int, max_tokens: int, context_length: int) -> None:
        super().__init__(
            f"The prompt (up to {tokens} tokens) and {max_tokens} output tokens exceed the model's "
            f"context of {context_length}. Nothing was paid. Shorten the prompt, or lower "
            "--max-tokens."
        )


class MalformedAmount(Fatal):
    """The text is not an amount."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:40]!r} is not an amount. Write TEE with up to 18 decimals, for example 1.5, "
            "or whole wei, for example '1500 wei'."
        )


class PriceAboveLimit(Fatal):
    """The deposit exceeds `--max-price`."""

    def __init__(self, deposit: str, limit: str) -> None:
        super().__init__(
            f"The deposit would be {deposit}, and your limit is {limit}. Nothing was paid. Raise "
            "--max-price, or lower --max-tokens or --max-input-tokens."
        )


class InsufficientTokens(Fatal):
    """The wallet has too few tokens for the deposit."""

    def __init__(self, address: str, needed: str, available: str, faucet: bool) -> None:
        remedy = "Get some with `teetee wallet faucet`" if faucet else "Send some to it"
        super().__init__(
            f"{address} has {available}, and the deposit is {needed}. {remedy}, or lower "
            "--max-tokens."
        )


class TransferAboveBalance(Fatal):
    """The wallet has fewer tokens than are to be sent."""

    def __init__(self, address: str, amount: str, available: str) -> None:
        super().__init__(
            f"{address} has {available}, and {amount} were to be sent. Nothing was sent. Send less."
        )


class AllowanceTooSmall(Fatal):
    """The host's free allowance is too small."""

    def __init__(self, shard_id: int, needed: int, available: int) -> None:
        super().__init__(
            f"The allowance of shard {shard_id} has {available} tokens left today, and up to "
            f"{needed} are needed. It grows with what the shard serves. Lower --max-tokens, or pay "
            "by leaving --allowance out."
        )


# ---------------------------------------------------------------- shards


class ShardOfAnother(Fatal):
    """The shard belongs to another host."""

    def __init__(self, shard_id: int, host: str, address: str) -> None:
        super().__init__(
            f"Shard {shard_id} belongs to {host}, and this wallet is {address}. Use the host's "
            "wallet."
        )


# ---------------------------------------------------------------- pending requests


class PendingRequestUnreadable(Fatal):
    """A pending request of another wallet, or a damaged file."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be opened: {reason}. Use the wallet that sent the request."
        )


class NotPending(Fatal):
    """No secret of this request is on this machine."""

    def __init__(self, request: str, reason: str) -> None:
        super().__init__(
            f"Request {request} cannot be continued: {reason}. `teetee resume` lists the requests "
            f"that can; `teetee verify {request}` checks any request."
        )


class NotOpened(Fatal):
    """The transaction was included, but opened no request."""

    def __init__(self, transaction: str) -> None:
        super().__init__(
            f"Transaction {transaction} was included, but opened no request. Check that the "
            "deployment file belongs to this chain."
        )


class WalletBusy(Retryable):
    """Another process has paid from the same wallet for too long."""

    def __init__(self, address: str, path: str) -> None:
        self.address = address
        super().__init__(
            f"Another process is paying from {address} and has not finished (it holds {path}). "
            "Nothing was sent. Try again when it has."
        )


class NotIncluded(Retryable):
    """The chain does not show the request yet."""

    def __init__(self, nonce: str, deadline: int) -> None:
        super().__init__(
            f"Request {nonce} is not on the chain yet. It can be included until "
            f"{format_time(deadline)}. Try again then; if it is not there, nothing was paid."
        )
