# SPDX-License-Identifier: Apache-2.0
"""Errors of the chain and of the connection to it. The contracts' custom errors are in
`teetee.chain.contract_errors`.

    TeeTeeError
    ├── Retryable
    │   ├── RpcUnavailable          no node answers
    │   ├── BlockUnknown            the node does not have the block of a read
    │   ├── LogMissing              the node does not return an event that contract state implies
    │   ├── FeeAboveLimit           gas costs more than the sending policy allows
    │   └── TransactionUnconfirmed  sent, but not included in time
    └── Fatal
        ├── WrongChain              the node serves another chain
        ├── RpcRefused              the node answered with an error
        ├── NotDeployed             no contracts on this network
        ├── DeploymentInvalid       not a deployment file
        ├── NoContract              no contract, or another one, at an address
        ├── ShardIdentityMismatch   an event's keys contradict contract state
        ├── CalldataUnreadable      the transaction is not a direct call of the contract
        ├── InsufficientFunds       not enough ETH for gas
        └── ContractRejected        see `teetee.chain.contract_errors`

URLs appear as `urls.public_url` shows them.
"""

from collections.abc import Mapping

from teetee.errors import Fatal, Retryable


class RpcUnavailable(Retryable):
    """No node answers. `reasons` says why, by public URL."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        tried = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
        super().__init__(
            f"No Ethereum node answers ({tried}). Check the network and the RPC URL. The node of "
            "`make world` runs until that ends; `source build/world.env` names its URL."
        )


class BlockUnknown(Retryable):
    """The node does not have the block that a read is pinned to."""

    def __init__(self, block: str) -> None:
        self.block = block
        super().__init__(
            f"The node does not have block {block}: it lags behind, or a reorganization removed "
            "the block. Read the head again and repeat."
        )


class LogMissing(Retryable):
    """The node does not return an event that contract state implies."""

    def __init__(self, event: str, block: int) -> None:
        self.event = event
        self.block = block
        super().__init__(
            f"The node returns no {event} in block {block}, where there must be one. "
            "Try again; if it is still missing, use a node that keeps all logs."
        )


class FeeAboveLimit(Retryable):
    """Gas costs more than the sending policy allows. In wei per gas."""

    def __init__(self, needed: int, limit: int) -> None:
        self.needed = needed
        self.limit = limit
        super().__init__(
            f"Gas costs {needed} wei now, and the limit is {limit}. Wait, or raise the limit."
        )


class TransactionUnconfirmed(Retryable):
    """Sent, but not included in time. It may still be: look it up before sending again."""

    def __init__(self, transaction_hash: str, nonce: int, seconds: float) -> None:
        self.transaction_hash = transaction_hash
        self.nonce = nonce
        super().__init__(
            f"Transaction {transaction_hash} (nonce {nonce}) is not included after {seconds:.0f} "
            "s. Look it up before you send it again."
        )


class WrongChain(Fatal):
    """The node serves another chain than the deployment's."""

    def __init__(self, expected: int, actual: int, url: str = "") -> None:
        self.expected = expected
        self.actual = actual
        self.url = url
        where = f"The node at {url}" if url else "The node"
        super().__init__(
            f"{where} serves chain {actual} instead of chain {expected}. Correct the RPC URL or "
            "the network."
        )


class RpcRefused(Fatal):
    """The node answered with an error."""

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
            "Deploy them with `ape run deploy`, or choose another network."
        )


class DeploymentInvalid(Fatal):
    """Not a deployment file."""

    def __init__(self, path: str, field: str, rule: str) -> None:
        self.path = path
        self.field = field
        self.rule = rule
        super().__init__(
            f"The deployment file {path} is not valid: {field} {rule}. Write it again with `ape "
            "run deploy`."
        )


class NoContract(Fatal):
    """No contract, or another one, at an address."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        super().__init__(
            f"There is no {name} at {address}. Check that the deployment file belongs to this "
            "chain: a local chain loses its contracts when it stops."
        )


class ShardIdentityMismatch(Fatal):
    """An event's keys contradict contract state: the node is dishonest or broken."""

    def __init__(self, shard_id: int, stored: bytes, computed: bytes) -> None:
        self.shard_id = shard_id
        self.stored = stored
        self.computed = computed
        super().__init__(
            f"In the node's events, shard {shard_id} has identity 0x{computed.hex()}, but "
            f"the contract has 0x{stored.hex()}. Nothing was sealed to it. Use another node."
        )


class CalldataUnreadable(Fatal):
    """The transaction is not a direct call of the contract."""

    def __init__(self, transaction_hash: str) -> None:
        self.transaction_hash = transaction_hash
        super().__init__(
            f"Transaction {transaction_hash} is not a direct call of the contract, so its "
            "arguments cannot be read from calldata. Read them from a trace, or have the call "
            "repeated directly."
        )


class InsufficientFunds(Fatal):
    """Not enough ETH for gas, or for the ETH that is sent. Amounts in wei."""

    def __init__(self, needed: int, balance: int, address: str) -> None:
        self.needed = needed
        self.balance = balance
        self.address = address
        super().__init__(
            f"{address} has {balance / 1e18:.6f} ETH, and the transaction needs up "
            f"to {needed / 1e18:.6f} ETH. Send ETH to that address on this chain, or send less."
        )
