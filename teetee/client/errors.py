"""What can go wrong on the wallet's side. Every message says what happened and what to do next.

    TeeTeeError
    ├── Retryable
    │   ├── EnclaveUnreachable      no connection to an enclave's endpoint
    │   ├── StreamBroken            the live stream ended early; the chain still brings the answer
    │   ├── StreamRefused           the entry answered with an error code
    │   ├── CollateralUnavailable   the PCCS gave no collateral: nothing can be said about a quote
    │   ├── AnswerNotYet            still waiting for a request when asked to stop
    │   └── TransactionPending      sent, but not included in time
    └── Fatal
        ├── MalformedEndpoint, MalformedFrame
        ├── PeerKeyMismatch, WrongPeerPurpose
        ├── EnrolmentMismatch, QuoteRefused, CertificateMissing
        ├── NoPath, NoEntry, ShardNotUsable
        ├── PromptTooLong, PriceAboveLimit, DeadlineTooNear, DeadlineTooFar, InvalidQuestion
        ├── InsufficientTokens, InsufficientEther, AllowanceTooSmall
        ├── NoKey, WrongPassphrase, KeystoreUnreadable, KeystoreExists
        ├── PendingRequestUnreadable, NotPending
        ├── AnswerAltered           what the chain holds is not what was sealed for this request
        └── VerificationFailed      `ask` got an answer, but the audit found a fault

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


class MalformedEndpoint(Fatal):
    """Not `host:port`."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is not an endpoint. Write it as host:port, for example "
            "203.0.113.7:7700."
        )


class MalformedFrame(Fatal):
    """The peer does not speak the protocol."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The enclave sent a message that breaks the protocol: {reason}. "
            "It runs another version, or it is not an enclave of TeeTee; use another shard."
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


class EnrolmentMismatch(Fatal):
    """An enrolment's public data do not give what the registry stored."""

    def __init__(self, shard: str, what: str) -> None:
        super().__init__(
            f"{shard} is not what its enrolment says: {what}. Nothing was sent to it. "
            "Check the RPC endpoint (it may lie), or use another shard."
        )


class QuoteRefused(Fatal):
    """dcap-qvl, or the binding of the quote, said no."""

    def __init__(self, shard: str, reason: str) -> None:
        super().__init__(
            f"The quote of {shard} was refused: {reason}. Nothing was sent to it; use another "
            "shard, and report this one: anyone may evict a shard that is no longer fit."
        )


class CertificateMissing(Fatal):
    """The quote cannot be rebuilt from the chain."""

    def __init__(self, name: str, pck_id: bytes) -> None:
        super().__init__(
            f"The {name} certificate for PCK 0x{pck_id.hex()} is not on this chain, so the quote "
            "cannot be rebuilt. Check that the RPC endpoint serves logs and transactions since "
            "the deployment."
        )


class CollateralUnavailable(Retryable):
    """No collateral, no verdict."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(
            f"{source} gave no collateral ({reason}), so no quote can be checked. Try again, name "
            "another source with --pccs or --collateral, or use --skip-quote-check to trust the "
            "chain's own check."
        )


class ShardNotUsable(Fatal):
    """Known, but not fit for this request."""

    def __init__(self, shard: str, reason: str) -> None:
        super().__init__(
            f"{shard} cannot be used: {reason}. See `teetee shards` for those which can."
        )


class NoPath(Fatal):
    """The model's layers are not all served."""

    def __init__(self, model_id: int, gaps: Sequence[str]) -> None:
        super().__init__(
            f"No path through model {model_id}: nobody active serves layers {', '.join(gaps)}. "
            "Nothing was paid. Try later, or serve them yourself (`teetee host --help`)."
        )


class NoEntry(Fatal):
    """Nobody can open the envelope."""

    def __init__(self, model_id: int, wanted: int, found: int) -> None:
        super().__init__(
            f"Model {model_id} has {found} active entry shards, and {wanted} were wanted. "
            "Nothing was paid. Ask with fewer --recipients, or try later."
        )


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


class InsufficientEther(Fatal):
    """Not enough ETH for gas."""

    def __init__(self, address: str, available: str) -> None:
        super().__init__(
            f"{address} has {available} ETH, too little for the gas of this transaction. Send it "
            "some ETH."
        )


class AllowanceTooSmall(Fatal):
    """The host's free use is used up."""

    def __init__(self, shard_id: int, needed: int, available: int) -> None:
        super().__init__(
            f"The allowance of shard {shard_id} is {available} tokens, and up to {needed} are "
            "needed. It grows with what the shard serves. Ask for less with --max-tokens, or pay "
            "by leaving --allowance out."
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


class TransactionPending(Retryable):
    """Not included yet."""

    def __init__(self, transaction: str, seconds: float) -> None:
        super().__init__(
            f"Transaction {transaction} was not included within {seconds:.0f} s. It may still be: "
            "`teetee resume` looks for it and goes on."
        )


class TransactionReverted(Fatal):
    """Included, and refused by the contract."""

    def __init__(self, transaction: str) -> None:
        super().__init__(
            f"Transaction {transaction} was included and refused by the contract; only gas was "
            "spent. Somebody else may have been faster: look at the state with `teetee shards`, "
            "then try again."
        )


class AnswerAltered(Fatal):
    """The chain's answer does not open, or differs from what was streamed."""

    def __init__(self, request_id: int, reason: str) -> None:
        super().__init__(
            f"The answer of request {request_id} is not as it should be: {reason}. "
            f"Do not rely on it; `teetee verify {request_id}` shows who signed what."
        )


class VerificationFailed(Fatal):
    """At least one check of the audit failed."""

    def __init__(self, request_id: int, names: Sequence[str]) -> None:
        super().__init__(
            f"Request {request_id} failed {len(names)} check{'s' * (len(names) != 1)}: "
            f"{', '.join(names)}. `teetee verify {request_id}` shows the reasons."
        )
