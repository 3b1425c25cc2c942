# SPDX-License-Identifier: Apache-2.0
"""What the chain, or the way to it, can answer with. The contracts' own refusals are in
`teetee.chain.contract_errors`.

    TeeTeeError
    ├── Retryable
    │   ├── RpcUnavailable          no node answers
    │   ├── BlockUnknown            the node has not, or no longer, the block of a read
    │   ├── LogMissing              contract state promises an event which the node does not show
    │   ├── FeeAboveLimit           the network asks for more than the sender may pay
    │   └── TransactionUnconfirmed  sent, and not included in time
    └── Fatal
        ├── WrongChain              the node serves another chain
        ├── RpcRefused              the node understood and said no
        ├── NotDeployed             no contracts on this network
        ├── DeploymentInvalid       the deployment file is not one
        ├── NoContract              nothing, or something else, at a contract's address
        ├── ShardIdentityMismatch   an event's keys are not those which the contract vouches for
        ├── CalldataUnreadable      a transaction which should carry a quote is no plain call
        ├── InsufficientFunds       not enough ETH for gas
        └── ContractRejected        see `teetee.chain.contract_errors`

URLs appear without user, password, path and query: providers put keys there.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from teetee.errors import Fatal, Retryable


def public_url(url: str) -> str:
    """Scheme, host and port alone."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


class RpcUnavailable(Retryable):
    """No node answers. `reasons` maps public URLs to what happened there."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        tried = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
        super().__init__(
            f"No Ethereum node answers ({tried}). Check the network and the RPC URL; with `make "
            "demo`, that anvil runs."
        )


class BlockUnknown(Retryable):
    """The node has not, or no longer, the block that a read is pinned to."""

    def __init__(self, block: str) -> None:
        self.block = block
        super().__init__(
            f"The node does not know block {block}: it lags behind, or the block was reorganized "
            "away. Read the head again and repeat."
        )


class LogMissing(Retryable):
    """Contract state promises an event which the node does not show."""

    def __init__(self, event: str, block: int) -> None:
        self.event = event
        self.block = block
        super().__init__(
            f"The node shows no {event} in block {block}, where there must be one. "
            "Repeat, and if it stays away, use a node that keeps all logs."
        )


class FeeAboveLimit(Retryable):
    """The network asks for more than the sender may pay. In wei per gas."""

    def __init__(self, needed: int, limit: int) -> None:
        self.needed = needed
        self.limit = limit
        super().__init__(
            f"Gas costs {needed} wei now, and at most {limit} may be paid. Wait, or raise the "
            "limit."
        )


class TransactionUnconfirmed(Retryable):
    """Sent, and not included in time. It may still be: ask by hash before sending again."""

    def __init__(self, transaction_hash: str, nonce: int, seconds: float) -> None:
        self.transaction_hash = transaction_hash
        self.nonce = nonce
        super().__init__(
            f"Transaction {transaction_hash} (nonce {nonce}) is not included after {seconds:.0f} "
            "s. Look it up before you send it again."
        )


class WrongChain(Fatal):
    """The node serves another chain than the deployment is on."""

    def __init__(self, expected: int, actual: int, url: str = "") -> None:
        self.expected = expected
        self.actual = actual
        self.url = url
        where = f"The node at {url}" if url else "The node"
        super().__init__(
            f"{where} serves chain {actual}, but chain {expected} is meant. Correct the RPC URL "
            "or the network."
        )


class RpcRefused(Fatal):
    """The node understood and said no."""

    def __init__(self, method: str, code: int, message: str) -> None:
        self.method = method
        self.code = code
        self.detail = message[:200]
        super().__init__(
            f"The node refused {method} with error {code}: {self.detail}. Use a node that "
            "supports it."
        )


class NotDeployed(Fatal):
    """No contracts on this network."""

    def __init__(self, network: str, path: str) -> None:
        self.network = network
        self.path = path
        super().__init__(
            f"There are no contracts on {network}: {path} names none. "
            "Deploy them with `ape run deploy`, or choose a network where they are."
        )


class DeploymentInvalid(Fatal):
    """The deployment file is not one."""

    def __init__(self, path: str, field: str, rule: str) -> None:
        self.path = path
        self.field = field
        self.rule = rule
        super().__init__(
            f"The deployment file {path} is not valid: {field} {rule}. Write it again with `ape "
            "run deploy`."
        )


class NoContract(Fatal):
    """Nothing, or something else, at a contract's address."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        super().__init__(
            f"There is no {name} at {address}. Check that the deployment file belongs to this "
            "chain: a local chain forgets its contracts when it stops."
        )


class ShardIdentityMismatch(Fatal):
    """An event's keys are not those which the contract vouches for: the node lies, or is broken."""

    def __init__(self, shard_id: int, stored: bytes, computed: bytes) -> None:
        self.shard_id = shard_id
        self.stored = stored
        self.computed = computed
        super().__init__(
            f"The node's events give shard {shard_id} the identity 0x{computed.hex()}, the "
            f"contract has 0x{stored.hex()}. Nothing was sealed to it. Use another node."
        )


class CalldataUnreadable(Fatal):
    """A transaction which should carry a quote is no plain call of the registry."""

    def __init__(self, transaction_hash: str) -> None:
        self.transaction_hash = transaction_hash
        super().__init__(
            f"Transaction {transaction_hash} is not a direct call of enrol or renew, so the quote "
            "cannot be taken from it. Take it from a trace, or ask the host for a renewal by a "
            "direct call."
        )


class InsufficientFunds(Fatal):
    """Not enough ETH for gas. Amounts in wei."""

    def __init__(self, needed: int, have: int, address: str) -> None:
        self.needed = needed
        self.have = have
        self.address = address
        super().__init__(
            f"{address} has {have / 1e18:.6f} ETH, and the transaction can cost "
            f"{needed / 1e18:.6f} ETH. Send it some ETH on this chain."
        )
