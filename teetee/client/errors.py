# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on the wallet's side. Every message says what happened and what to do next.

    TeeTeeError
    ├── Retryable
    │   ├── EnclaveUnreachable      no connection to an enclave's endpoint
    │   ├── EnclaveRefused          the enclave gives no quote now
    │   ├── StreamBroken            the live stream ended early; the chain still brings the answer
    │   ├── StreamRefused           the entry answered with an error code
    │   ├── NotIncluded             a request was sent, or was about to be
    │   └── ShardUncheckable        no verdict on a shard of the path, so nothing is sent
    └── Fatal
        ├── enclaves    PeerKeyMismatch, WrongPeerPurpose, StatementRefused
        ├── trust       AttestationMissing, CertificateMissing, CollateralMissing,
        │               CollateralKeptElsewhere, NoCollateralSource, ShardRefused
        ├── question    NoNetwork, NoModel, ModelNotChosen, ModelUnknown, TooFewEntries,
        │               InvalidQuestion, PromptTooLong, MalformedAmount, PriceAboveLimit,
        │               InsufficientTokens, AllowanceTooSmall
        ├── hosting     BondNotCovered, OtherEnclave, ShardOfAnother
        ├── keys        NoKey, MalformedKey, WrongPassphrase, NoPassphrase, KeystoreUnreadable,
        │               KeystoreExists
        └── under way   PendingRequestUnreadable, NotPending, NotOpened, VerificationFailed

No message ever holds a prompt, an answer or a key.
"""

from __future__ import annotations

from collections.abc import Sequence

from teetee.errors import Fatal, Retryable

# ---------------------------------------------------------------- enclaves


class EnclaveUnreachable(Retryable):
    """No connection, or no TLS on it."""

    def __init__(self, endpoint: str, reason: str) -> None:
        self.endpoint = endpoint
        super().__init__(
            f"The enclave at {endpoint} cannot be reached ({reason}). "
            "Check that it runs and that its port is open, then try again."
        )


class StreamBroken(Retryable):
    """The stream stopped before it was done."""

    def __init__(self, endpoint: str, reason: str) -> None:
        self.endpoint = endpoint
        super().__init__(
            f"The live stream from {endpoint} broke off ({reason}). "
            "Nothing is lost: the answer will come from the chain."
        )


class StreamRefused(Retryable):
    """The entry speaks, but does not stream this request (yet)."""

    def __init__(self, endpoint: str, code: str) -> None:
        self.endpoint = endpoint
        self.code = code
        super().__init__(
            f"The entry at {endpoint} does not stream this request (code {code!r}). "
            "Nothing is lost: the answer will come from the chain."
        )


class PeerKeyMismatch(Fatal):
    """The TLS key is not the one which the registry shows."""

    def __init__(self, endpoint: str, *, expected: bytes, found: bytes) -> None:
        super().__init__(
            f"{endpoint} holds another key than the registry says (expected {expected.hex()}, "
            f"found {found.hex() or 'none'}). Somebody else answers there: nothing was sent. Tell "
            "the shard's host."
        )


class WrongPeerPurpose(Fatal):
    """The peer did not agree on the ALPN purpose."""

    def __init__(self, endpoint: str, purpose: str, found: str | None) -> None:
        super().__init__(
            f"{endpoint} does not offer {purpose} (it chose {found or 'nothing'}). "
            "Check the endpoint, and that the enclave runs a matching version."
        )


# ---------------------------------------------------------------- trust


class EnclaveRefused(Retryable):
    """The enclave gives no quote now."""

    def __init__(self, endpoint: str, code: str) -> None:
        self.code = code
        super().__init__(
            f"The enclave at {endpoint} gives no quote (code {code!r}). It may be busy, or its "
            "node may not know the block yet: try again in a moment, and read its log."
        )


class StatementRefused(Fatal):
    """What the enclave says of itself does not fit."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"The enclave's statement was refused: {reason}. Nothing was sent to the chain. "
            "Correct the enclave's settings, or the wallet and network used here."
        )


class CertificateMissing(Fatal):
    """The quote cannot be put together from the chain."""

    def __init__(self, name: str, pck_id: bytes) -> None:
        super().__init__(
            f"The chain shows no {name} certificate for the quote's PCK 0x{pck_id.hex()}, or "
            "another one than it should. Check that the node serves all logs since the "
            "deployment."
        )


class AttestationMissing(Fatal):
    """No event with that quote."""

    def __init__(self, shard_id: int, quote_hash: bytes) -> None:
        super().__init__(
            f"The chain shows no attestation of shard {shard_id} with quote 0x{quote_hash.hex()}. "
            "Check that the node serves all logs since the deployment."
        )


class CollateralMissing(Fatal):
    """The folder has nothing for this platform."""

    def __init__(self, folder: str, fmspc: str) -> None:
        super().__init__(
            f"{folder} holds no collateral for platforms {fmspc}. Add it as JSON, or name a PCCS "
            "with --pccs."
        )


class NoCollateralSource(Fatal):
    """Nobody said where collateral comes from."""

    def __init__(self) -> None:
        super().__init__(
            "No quote can be judged without Intel's collateral. Name a PCCS with --pccs or "
            "TEETEE_PCCS, or a folder with --collateral; or trust the chain's own check with "
            "--skip-quote-check."
        )


class CollateralKeptElsewhere(Fatal):
    """The network's verifier judges by collateral that is in somebody else's contracts."""

    def __init__(self) -> None:
        super().__init__(
            "This network's platforms are judged by Automata's contracts, which keep collateral "
            "themselves: there is nothing to show or to bring. Have a shard judged anew with "
            "`teetee host recheck`."
        )


class ShardRefused(Fatal):
    """A shard that could take part in the path is not what it should be."""

    def __init__(self, shard_id: int, reason: str) -> None:
        self.shard_id = shard_id
        super().__init__(
            f"Shard {shard_id} could serve this request, and it was refused: {reason} Nothing was "
            "sent or paid."
        )


class ShardUncheckable(Retryable):
    """A shard that could take part in the path cannot be checked now."""

    def __init__(self, shard_id: int, reason: str) -> None:
        self.shard_id = shard_id
        super().__init__(
            f"Shard {shard_id} could serve this request, and it cannot be checked: {reason} "
            "Nothing was sent or paid."
        )


class TooFewEntries(Fatal):
    """Fewer entries than recipients."""

    def __init__(self, model_id: int, wanted: int, found: int) -> None:
        super().__init__(
            f"Model {model_id} has {found} active entry shards with a whole path, and {wanted} "
            "were wanted. Nothing was paid. Ask with fewer --recipients, or try later."
        )


class NoNetwork(Fatal):
    """No network named, and none on this machine."""

    def __init__(self) -> None:
        super().__init__(
            "No network: there is no local deployment (`make demo` makes one). Name one with "
            "--network base-sepolia or base-mainnet, or a file with --deployment."
        )


class NoModel(Fatal):
    """Nothing published."""

    def __init__(self) -> None:
        super().__init__(
            "No model is published here. Check --network; `teetee models` lists what there is."
        )


class ModelNotChosen(Fatal):
    """Several models, none named."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"There are {count} models: choose one with --model, by number or name. `teetee "
            "models` lists them."
        )


class ModelUnknown(Fatal):
    """No model of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No model is called {name[:80]!r}. `teetee models` lists what there is.")


# ---------------------------------------------------------------- the question and its price


class InvalidQuestion(Fatal):
    """A question that cannot be sent as it is."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"The question cannot be sent: {reason}. {remedy}")


class PromptTooLong(Fatal):
    """More tokens than the model's context."""

    def __init__(self, tokens: int, max_tokens: int, context_length: int) -> None:
        super().__init__(
            f"The prompt (up to {tokens} tokens) and {max_tokens} tokens of answer exceed the "
            f"model's context of {context_length}. Nothing was paid. Shorten the prompt, or ask "
            "for less with --max-tokens."
        )


class MalformedAmount(Fatal):
    """Not an amount."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:40]!r} is not an amount. Write TEE with up to 18 decimals, for example 1.5, "
            "or whole wei, for example '1500 wei'."
        )


class PriceAboveLimit(Fatal):
    """More than `--max-price`."""

    def __init__(self, deposit: str, limit: str) -> None:
        super().__init__(
            f"The deposit would be {deposit}, and your limit is {limit}. Nothing was paid. Raise "
            "--max-price, or lower --max-tokens or --max-input-tokens."
        )


class InsufficientTokens(Fatal):
    """Not enough of the usage token."""

    def __init__(self, address: str, needed: str, available: str, faucet: bool) -> None:
        remedy = "`teetee wallet faucet` gives some" if faucet else "Send some to it"
        super().__init__(
            f"{address} holds {available}, and {needed} are needed. {remedy}, or lower "
            "--max-tokens."
        )


class AllowanceTooSmall(Fatal):
    """The host's free use is used up."""

    def __init__(self, shard_id: int, needed: int, available: int) -> None:
        super().__init__(
            f"The allowance of shard {shard_id} is {available} tokens, and up to {needed} are "
            "needed. It grows with what the shard serves. Ask for less with --max-tokens, or pay "
            "by leaving --allowance out."
        )


# ---------------------------------------------------------------- hosting


class BondNotCovered(Fatal):
    """Too few tokens for the bond."""

    def __init__(self, address: str, needed: str, available: str) -> None:
        super().__init__(
            f"The bond is {needed}, and {address} holds {available}. Get tokens first "
            "(on test networks `teetee wallet faucet`), then try again."
        )


class OtherEnclave(Fatal):
    """Not the enclave that was enrolled."""

    def __init__(self, shard_id: int) -> None:
        super().__init__(
            f"The enclave there has other keys than shard {shard_id}: it is another enclave, or "
            "another image. Name the right one with --connect, or retire the shard and enrol "
            "this one."
        )


class ShardOfAnother(Fatal):
    """Only its host may do this."""

    def __init__(self, shard_id: int, host: str, address: str) -> None:
        super().__init__(
            f"Shard {shard_id} belongs to {host}, and this wallet is {address}. Use the host's "
            "wallet."
        )


# ---------------------------------------------------------------- keys


class NoKey(Fatal):
    """No wallet given."""

    def __init__(self) -> None:
        super().__init__(
            "No wallet: name a keystore with --keystore or TEETEE_KEYSTORE, or set "
            "TEETEE_PRIVATE_KEY. `teetee wallet create` makes one."
        )


class MalformedKey(Fatal):
    """TEETEE_PRIVATE_KEY is no key. The value stays out of the message."""

    def __init__(self) -> None:
        super().__init__(
            "TEETEE_PRIVATE_KEY is not a private key: it must be 32 bytes as hex, with or "
            "without 0x."
        )


class WrongPassphrase(Fatal):
    """The keystore did not open."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"The passphrase does not open {path}. Check TEETEE_PASSPHRASE, or type it again."
        )


class NoPassphrase(Fatal):
    """Nobody there to ask."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} needs its passphrase, and nobody can be asked for it here. Set "
            "TEETEE_PASSPHRASE."
        )


class KeystoreUnreadable(Fatal):
    """Not a keystore."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be read as a keystore ({reason}). Name another with --keystore."
        )


class KeystoreExists(Fatal):
    """Never overwrite a key."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} exists already and is left as it is. Name another file with --keystore."
        )


# ---------------------------------------------------------------- a request under way


class PendingRequestUnreadable(Fatal):
    """A resume file of another wallet, or a damaged one."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be opened: {reason}. Use the wallet which sent that request."
        )


class NotPending(Fatal):
    """Nothing to resume."""

    def __init__(self, request: str) -> None:
        super().__init__(
            f"This machine holds no secret of request {request}. `teetee resume` lists those "
            "which it can continue; `teetee verify` needs no secret."
        )


class NotOpened(Fatal):
    """Included, but no request came of it."""

    def __init__(self, transaction: str) -> None:
        super().__init__(
            f"Transaction {transaction} was included, but opened no request. Check that the "
            "deployment file belongs to this chain."
        )


class NotIncluded(Retryable):
    """Sent or not: the chain does not show it yet."""

    def __init__(self, nonce: str, deadline: int) -> None:
        super().__init__(
            f"Request {nonce} is not on the chain yet. It can still come until Unix time "
            f"{deadline}: try again then; if it does not, nothing was paid."
        )


class VerificationFailed(Fatal):
    """At least one check of the audit failed."""

    def __init__(self, request_id: int, names: Sequence[str]) -> None:
        super().__init__(
            f"Request {request_id} failed {len(names)} check{'s' * (len(names) != 1)}: "
            f"{', '.join(names)}. `teetee verify {request_id}` shows the reasons."
        )
