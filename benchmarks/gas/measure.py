# SPDX-License-Identifier: Apache-2.0
"""Measures the gas of whole transactions (21,000, calldata and execution, minus refunds) in the
steady state: every account involved has made the same transaction before.

Payload bytes (envelope, answer) are excluded: each transaction is measured with two payload sizes
and extrapolated to zero bytes.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from eth_account.signers.local import LocalAccount

from benchmarks.gas.chain import compile_contracts, running_chain
from benchmarks.gas.collateral import IN_FORCE, measure_collateral
from benchmarks.gas.long_crl import measure_long_crl
from benchmarks.gas.requests import SignedPath
from benchmarks.gas.world import LAYERS, SPLIT, GasWorld
from teetee.protocol.layers import LayerRange

SMALL, LARGE = 512, 2048
"""Payload sizes in bytes: two of the buckets to which prompts and answers are padded."""
BATCH = 20
LONG_CRL_ENTRIES = 10_000


@dataclass(frozen=True)
class GasFigures:
    """The fields of `results/gas.json`."""

    enrolKnownPlatform: int  # noqa: N815
    enrolFirstOfHost: int  # noqa: N815
    recheck: int
    pckCertificate: int  # noqa: N815
    tcbInfo: int  # noqa: N815
    qeIdentity: int  # noqa: N815
    platformCrl: int  # noqa: N815
    rootCrl: int  # noqa: N815
    longCrlPart: int  # noqa: N815
    longCrlPage: int  # noqa: N815
    longCrlLast: int  # noqa: N815
    longCrlTotal: int  # noqa: N815
    publishModel: int  # noqa: N815
    request: int
    requestPerPayloadByte: float  # noqa: N815
    settleTwoStages: int  # noqa: N815
    settlePerPayloadByte: float  # noqa: N815
    settleBatchMarginal: int  # noqa: N815
    refund: int
    withdraw: int

    def as_json(self) -> dict[str, float]:
        """All figures by name."""
        return asdict(self)


def measure() -> GasFigures:
    """Measures everything on fresh chains; takes a few seconds. Raises `BenchmarkError`."""
    compile_contracts()
    uploads = _measure_uploads()
    with running_chain() as chain:
        world = GasWorld(chain)
        host, other = world.funded("host"), world.funded("other host")
        entry, first = world.enrol(host, "entry", LayerRange(0, SPLIT))
        last, _ = world.enrol(other, "last", LayerRange(SPLIT, LAYERS))
        _, enrol = world.enrol(host, "replica", LayerRange(SPLIT, LAYERS))
        path = SignedPath(world, [entry, last])
        requester = world.funded("requester")
        _run_once(world, path, requester)
        request, per_envelope_byte = _without_payload(
            lambda size: _request(world, path, requester, size)
        )
        settle, per_answer_byte = _without_payload(
            lambda size: _settle(world, path, requester, size)
        )
        return GasFigures(
            enrolKnownPlatform=enrol,
            enrolFirstOfHost=first,
            recheck=chain.gas(world.deployer, "rechecking", world.recheck(last)),
            publishModel=world.publication_gas,
            request=request,
            requestPerPayloadByte=per_envelope_byte,
            settleTwoStages=settle,
            settlePerPayloadByte=per_answer_byte,
            settleBatchMarginal=_batch_marginal(world, path),
            refund=_refund(world, path, requester),
            withdraw=_withdraw(world, host),
            **uploads,
        )


def _measure_uploads() -> dict[str, int]:
    with running_chain(IN_FORCE) as chain:
        collateral = measure_collateral(chain)
    with running_chain() as chain:
        long_crl = measure_long_crl(chain, LONG_CRL_ENTRIES)
    return {
        "pckCertificate": collateral.pck_certificate,
        "tcbInfo": collateral.tcb_info,
        "qeIdentity": collateral.qe_identity,
        "platformCrl": collateral.platform_crl,
        "rootCrl": collateral.root_crl,
        "longCrlPart": long_crl.part,
        "longCrlPage": long_crl.page,
        "longCrlLast": long_crl.last,
        "longCrlTotal": long_crl.total,
    }


def _without_payload(gas_with: Callable[[int], int]) -> tuple[int, float]:
    """The gas at zero payload bytes, and the gas per byte."""
    small, large = gas_with(SMALL), gas_with(LARGE)
    per_byte = (large - small) / (LARGE - SMALL)
    return round(small - per_byte * SMALL), round(per_byte, 2)


def _request(world: GasWorld, path: SignedPath, requester: LocalAccount, size: int) -> int:
    """The gas of a requester's second or later request: an earlier one left a credit."""
    gas = world.chain.gas(requester, "requesting", path.request(size))
    newest = int(world.escrow.functions.requestCount().call())
    _settle_opened(world, path, newest, SMALL)
    return gas


def _settle(world: GasWorld, path: SignedPath, requester: LocalAccount, size: int) -> int:
    return _settle_opened(world, path, path.open_request(requester), size)


def _settle_opened(world: GasWorld, path: SignedPath, request_id: int, size: int) -> int:
    settlement = path.settlement(request_id, size)  # type: ignore[arg-type]
    settle = world.escrow.functions.settle(settlement)
    return world.chain.gas(world.deployer, "settling", settle)


def _run_once(world: GasWorld, path: SignedPath, requester: LocalAccount) -> None:
    """Runs one request to its settlement, so that no account is new afterwards."""
    _settle(world, path, requester, SMALL)


def _batch_marginal(world: GasWorld, path: SignedPath) -> int:
    """The gas that each of 20 settlements adds to a batch, each for a different requester."""
    requesters = [world.funded(f"requester {index}") for index in range(BATCH)]
    for requester in requesters:
        _run_once(world, path, requester)

    def batch_gas(size: int, members: list[LocalAccount]) -> int:
        opened = [path.open_request(requester) for requester in members]
        batch = [path.settlement(request_id, size) for request_id in opened]
        settle = world.escrow.functions.settleBatch(batch)
        return world.chain.gas(world.deployer, "settling a batch", settle)

    one, _ = _without_payload(lambda size: batch_gas(size, requesters[:1]))
    whole, _ = _without_payload(lambda size: batch_gas(size, requesters))
    return round((whole - one) / (BATCH - 1))


def _refund(world: GasWorld, path: SignedPath, requester: LocalAccount) -> int:
    request_id = path.open_request(requester)
    world.chain.pass_time(3601)
    refund = world.escrow.functions.refund(request_id)
    return world.chain.gas(world.deployer, "refunding", refund)


def _withdraw(world: GasWorld, host: LocalAccount) -> int:
    withdraw = world.escrow.functions.withdraw(host.address)
    return world.chain.gas(world.deployer, "withdrawing", withdraw)
