# SPDX-License-Identifier: Apache-2.0
"""The lists beside a policy. Events name the candidates; contract state says which are listed."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from ape.api import ProviderAPI

from administration.chain.contracts import Contracts
from administration.chain.event_logs import event_logs, number_topic
from teetee.chain.types.shards import ShardStatus


@dataclass(frozen=True)
class Platforms:
    """Platform ids, 32 bytes each."""

    denied: list[bytes]
    """For all models."""
    listed: list[bytes]
    """For this model; the list has an effect only with `onlyListedPlatforms`."""
    used: dict[bytes, list[int]]
    """Platforms of the model's enlisted shards, with the ids of those shards."""


def allowed_measurements(provider: ProviderAPI, contracts: Contracts, model_id: int) -> list[bytes]:
    """Measurements of the images that may run the model, in the order of their allowance."""
    registry = contracts.registry
    logs = event_logs(
        provider, contracts, registry, registry.MeasurementAllowed, (number_topic(model_id),)
    )
    named = dict.fromkeys(bytes(log.measurement) for log in logs)
    return [each for each in named if registry.isMeasurementAllowed(model_id, each)]


def platforms(provider: ProviderAPI, contracts: Contracts, model_id: int) -> Platforms:
    """The model's platform lists, and the platforms of its shards."""
    registry, model = contracts.registry, number_topic(model_id)
    denials = event_logs(provider, contracts, registry, registry.PlatformDenied)
    denied = dict.fromkeys(bytes(log.platformId) for log in denials)
    listings = event_logs(provider, contracts, registry, registry.PlatformListed, (model,))
    listed = dict.fromkeys(bytes(log.platformId) for log in listings)
    used = defaultdict(list)
    for shard_id, platform in sorted(_platforms_of_shards(provider, contracts, model_id)):
        used[platform].append(shard_id)
    return Platforms(
        denied=[each for each in denied if registry.isPlatformDenied(each)],
        listed=[each for each in listed if registry.isPlatformListed(model_id, each)],
        used=dict(used),
    )


def _platforms_of_shards(
    provider: ProviderAPI, contracts: Contracts, model_id: int
) -> Iterator[tuple[int, bytes]]:
    """(shard id, platform id) by the newest attestation of each shard."""
    registry, topics = contracts.registry, (None, number_topic(model_id))
    newest: dict[int, tuple[int, int, bytes]] = {}
    for event in (registry.ShardEnrolled, registry.ShardRenewed, registry.ShardRekeyed):
        # ape decodes structs in an event as lists
        (attestation,) = (each for each in event.abi.inputs if each.name == "attestation")
        claims = [each.name for each in attestation.components].index("claims")
        members = attestation.components[claims].components
        member = [each.name for each in members].index("platformId")
        for log in event_logs(provider, contracts, registry, event, topics):
            found = bytes(log.attestation[claims][member])
            place = (int(log.block_number), int(log.log_index), found)
            shard_id = int(log.shardId)
            newest[shard_id] = max(newest.get(shard_id, place), place)
    for shard_id, (_, _, platform) in newest.items():
        if ShardStatus(registry.shard(shard_id).status).is_enlisted:
            yield shard_id, platform
