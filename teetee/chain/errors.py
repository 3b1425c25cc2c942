# SPDX-License-Identifier: Apache-2.0
"""Errors of the chain and of the connection to it. The contracts' custom errors are in
`teetee.chain.contract_errors`.

    TeeTeeError
    ├── Retryable
    │   ├── RpcUnavailable          too few nodes answer
    │   │   └── NodesDisagree       too few nodes say the same
    │   ├── BlockUnknown            the node does not have the block of a read
    │   ├── LogMissing              the node does not return an event that contract state implies
    │   ├── FeeAboveLimit           gas costs more than the sending policy allows
    │   ├── TransactionUnconfirmed  sent, but not included in time
    │   └── TransactionReplaced     another transaction of the account has used its nonce
    └── Fatal
        ├── WrongChain              the node serves another chain
        ├── InsecureNode            a node's URL is not https
        ├── QuorumInvalid           more nodes must agree than there are
        ├── RpcRefused              the node answered with an error
        ├── NotDeployed             no contracts on this network
        ├── DeploymentInvalid       not a deployment file
        ├── NoContract              no contract, or another one, at an address
        ├── ShardIdentityMismatch   an event's keys contradict contract state
        ├── CalldataUnreadable      the transaction is not a direct call of the contract
        ├── InsufficientFunds       not enough ETH for gas
        └── ContractRejected        see `teetee.chain.contract_errors`

URLs appear as `urls.public_url` shows them. `OF_THE_WHOLE_CHAIN` has those that say nothing of the
one thing that was read or sent.
"""

from collections.abc import Mapping

from teetee.errors import Fatal, Retryable


class RpcUnavailable(Retryable):
    """Too few nodes answer. `reasons` says why, by public URL; `needed`: how many must agree."""

    def __init__(self, reasons: Mapping[str, str], needed: int = 1) -> None:
        self.reasons = dict(reasons)
        self.needed = needed
        super().__init__(self._message())

    def _message(self) -> str:
        needed = self.needed
        what = "No Ethereum node answers"
        if needed > 1:
            what = f"Fewer than the {needed} Ethereum nodes that must agree answer"
        return (
            f"{what} ({_listed(self.reasons)}). Check the network and the RPC URL. The node of "
            "`make world` runs until that ends; `source build/world.env` names its URL."
        )


class NodesDisagree(RpcUnavailable):
    """Fewer nodes say the same than must agree. `answers`: what each says, shortened, by public
    URL.
    """

    def __init__(self, what: str, answers: Mapping[str, str], needed: int) -> None:
        self.what = what
        self.answers = dict(answers)
        super().__init__(answers, needed)

    def _message(self) -> str:
        return (
            f"The Ethereum nodes disagree on {self.what}, and {self.needed} must agree "
            f"({_listed(self.answers)}). Nothing was believed or sent. Try again: after a "
            "reorganization they soon agree. If they do not, one of them is broken or lies: "
            "replace it with --rpc or TEETEE_RPC_URL."
        )


def _listed(texts: Mapping[str, str]) -> str:
    return "; ".join(f"{url}: {text}" for url, text in texts.items())


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


class TransactionReplaced(Retryable):
    """Another transaction of the same account has used its nonce."""

    def __init__(self, transaction_hash: str, nonce: int) -> None:
        self.transaction_hash = transaction_hash
        self.nonce = nonce
        super().__init__(
            f"Transaction {transaction_hash} will not be included: another one used nonce {nonce}. "
            "Read the state before you send it again."
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


class InsecureNode(Fatal):
    """A node's URL is http:// and not on this machine."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__(
            f"The node at {url} is reached without encryption, so anyone on the way can change its "
            "answers. Use its https:// address; http:// is for nodes on this machine."
        )


class QuorumInvalid(Fatal):
    """More nodes must agree than there are, or none."""

    def __init__(self, chosen: int, count: int) -> None:
        self.chosen = chosen
        self.count = count
        super().__init__(
            f"{chosen} Ethereum nodes must agree, and there are {count}. Name more nodes in "
            "TEETEE_RPC_URL, or choose from 1 to their number in TEETEE_RPC_QUORUM."
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


OF_THE_WHOLE_CHAIN = (
    RpcUnavailable,
    FeeAboveLimit,
    TransactionUnconfirmed,
    TransactionReplaced,
    WrongChain,
    InsufficientFunds,
)
"""What the next call would meet, too, whatever it reads or sends. A loop over shards ends with
them, and goes on after all others.
"""
