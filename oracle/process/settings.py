# SPDX-License-Identifier: Apache-2.0
"""The process's settings: one frozen object, and for each setting who may choose it.

`settings_sources` reads them. Measured settings decide where plaintext goes and what is believed;
they come from one file, whose digest stands in the compose document that the enclave's measurement
covers. The host's settings can cost availability alone; those that shift when this enclave declines
or settles have bounds, because a host can be a requester's accomplice. Docs: docs/operations.md.
"""

import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from eth_utils.address import is_checksum_address
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from oracle.request.decision import MAX_LEAD_SECONDS, MIN_DECLINE_MARGIN_SECONDS
from shard_runtime.backends.kv_cache import DEFAULT_CACHE_BYTES
from shard_runtime.engine.loop import DEFAULT_BUSY_WAIT_SECONDS
from teetee.errors import FieldInvalid
from teetee.protocol.endpoint import DEFAULT_PORT, MAX_PORT
from teetee.protocol.layers import LayerRange

PREFIX = "TEETEE_"
DEFAULT_OPERATIONS_PORT = 9464
"""As Prometheus exporters use by convention."""


class Kind(Enum):
    """Who may choose a setting."""

    MEASURED = "measured"
    """The publisher, in the measured file. It decides whom this enclave believes or serves."""
    HOST = "host"
    """The host. A bad value can cost availability, and nothing else."""
    SECRET = "secret"  # noqa: S105 - a kind, not a password
    """The host; never shown. It must not be in a public document."""


KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(
        (
            "simulated",
            "rpc_url",
            "rpc_quorum",
            "chain_id",
            "deployment",
            "model_id",
            "dtype",
            "keys_directory",
            "confirmations",
            "poll_seconds",
            "peer_poll_seconds",
            "stale_head_seconds",
            "max_streams",
            "streams_per_second",
            "enrolments_per_minute",
        ),
        Kind.MEASURED,
    ),
    **dict.fromkeys(
        (
            "host",
            "model",
            "layers",
            "is_entry",
            "listen_host",
            "listen_port",
            "data_directory",
            "manifest",
            "prune_seconds",
            "max_concurrent_requests",
            "max_active_requests",
            "cache_bytes",
            "busy_wait_seconds",
            "native_instructions",
            "batch_window_seconds",
            "settle_timeout_seconds",
            "decline_margin_seconds",
            "refund_grace_seconds",
            "stop_grace_seconds",
            "renewal_warning_seconds",
            "pccs",
            "collateral_seconds",
            "max_fee_gwei",
            "warn_below_ether",
            "operations_host",
            "operations_port",
        ),
        Kind.HOST,
    ),
    **dict.fromkeys(("rpc_tokens",), Kind.SECRET),
}
"""Every setting has one kind; a new one without a kind ends the start."""

SECTIONS = {
    "simulated": "Chain",
    "host": "Shard",
    "listen_host": "Network and storage",
    "confirmations": "Watching the chain",
    "max_concurrent_requests": "Requests",
    "max_streams": "Open endpoints",
    "stop_grace_seconds": "Maintenance",
}
"""First field of a section → the section's title in `python -m oracle settings`."""

OPTIONS = {
    "rpc_url": "--rpc",
    "deployment": "--deployment",
    "host": "--keystore",
    "model_id": "--model-id",
    "model": "--model",
    "layers": "--layers",
    "is_entry": "--entry",
    "listen_host": "--listen",
    "listen_port": "--port",
    "data_directory": "--data",
}
"""Field → the option of `teetee host run` that sets it."""


def _layers(value: object) -> object:
    if isinstance(value, LayerRange):
        return value
    first, dash, end = str(value).partition("-")
    if not dash:
        raise ValueError("must be FIRST-END, the end not included, like 0-15")
    try:
        return LayerRange(int(first), int(end))
    except FieldInvalid:
        raise ValueError("must satisfy 0 <= FIRST < END") from None
    except ValueError:  # whose message shows the value
        raise ValueError("must be FIRST-END, two numbers like 0-15") from None


def _address(value: str) -> str:
    if not is_checksum_address(value):
        raise ValueError("must be a checksummed address")
    return value


def _tokens(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if not _TOKENS.fullmatch(text):
        raise ValueError("must be NAME=TOKEN,NAME=TOKEN, of letters, digits, - and _")
    return value


_WORD = r"[A-Za-z0-9_-]{1,64}"
_TOKENS = re.compile(rf"(?:{_WORD}={_WORD}(?:,(?!$)|$))*")
_PLACEHOLDER = re.compile(rf"\{{token:({_WORD})\}}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


Layers = Annotated[LayerRange, NoDecode, BeforeValidator(_layers)]
Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 30)]
WholeSeconds = Annotated[int, Field(ge=1, le=86_400 * 30)]
MAX_DECLINE_MARGIN_SECONDS = MAX_LEAD_SECONDS


class Settings(BaseSettings):
    """All settings. `python -m oracle settings` prints the descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", arbitrary_types_allowed=True
    )

    simulated: bool = Field(
        False,
        description="Whether this machine is simulated (tee_simulator): no measured file is needed,"
        " DSTACK_SIMULATOR_ENDPOINT names the guest agent, keys may lie on a disk, and swap may be"
        " on. Nothing is confidential then.",
    )
    rpc_url: SecretStr = Field(
        description="JSON-RPC URLs of the chain's nodes, separated by commas, best of three"
        " different operators; https:// except on this machine. {token:NAME} stands for a token of"
        " rpc_tokens. Never logged."
    )
    rpc_quorum: int | None = Field(
        None,
        ge=1,
        le=64,
        description="How many of these nodes must agree before anything is believed. Default: more"
        " than half, which is both of two and two of three.",
    )
    rpc_tokens: Annotated[SecretStr, BeforeValidator(_tokens)] = Field(
        SecretStr(""),
        description="Access tokens of RPC providers, NAME=TOKEN,NAME=TOKEN, each put where rpc_url"
        " has {token:NAME}. Never logged.",
    )
    chain_id: int = Field(ge=1, description="Id of the chain that the deployment is on.")
    deployment: str = Field(
        min_length=1,
        description="The addresses of the contracts: the JSON document itself; for a simulated"
        " machine, also the path of its file.",
    )

    host: Address = Field(description="Wallet that owns this shard and receives its earnings.")
    model_id: int = Field(ge=1, lt=1 << 32, description="Number of the published model.")
    model: str = Field(
        min_length=1, description="The model's weights: a GGUF file, a local folder or a hub id."
    )
    manifest: Path | None = Field(
        None,
        description="The manifest that `python -m shard_tools digest` made. An entry compares its"
        " tokenizer with it. Default: manifest.json in the model's folder, if there is one.",
    )
    layers: Layers = Field(
        description="The layers of this shard as FIRST-END, the end not included, like 0-15."
    )
    dtype: Literal["int8", "float32", "bfloat16", "float16"] = Field(
        "float32",
        description="Precision of the computation: int8, float32, bfloat16 or float16. It is part"
        " of the model's published digests, so it must be the one that the model is published for.",
    )
    is_entry: bool = Field(
        False,
        description="Whether this shard also holds tokenizer, embedding and LM head, and answers"
        " requests.",
    )

    listen_host: str = Field("0.0.0.0", description="Address to listen on.")  # noqa: S104
    listen_port: int = Field(
        DEFAULT_PORT,
        ge=0,
        le=MAX_PORT,
        description="Port for links and endpoints; 0 picks a free one.",
    )
    operations_host: str = Field(
        "127.0.0.1",
        description="Address of /health and /metrics. Not encrypted: anyone who reaches it reads"
        " them.",
    )
    operations_port: int = Field(
        DEFAULT_OPERATIONS_PORT,
        ge=0,
        le=MAX_PORT,
        description="Port of /health and /metrics; 0 picks a free one.",
    )
    data_directory: Path = Field(
        description="Folder of the journal. It holds ciphertext and public data only."
    )
    keys_directory: Path = Field(
        Path("/run/teetee"),
        description="Folder of this enclave's private keys, on tmpfs: they live in memory alone,"
        " and a reboot takes them. One folder for each enclave.",
    )

    confirmations: int = Field(
        1, ge=0, le=256, description="Blocks required on top of a request before work on it starts."
    )
    poll_seconds: Seconds = Field(2.0, description="Interval between two reads of the escrow.")
    peer_poll_seconds: Seconds = Field(
        2.0, description="Interval between two reads of the registry."
    )
    prune_seconds: Seconds = Field(
        60.0,
        validation_alias="TEETEE_BOOKS_SECONDS",
        description="Interval between two sweeps that delete finalised requests from the journal.",
    )
    stale_head_seconds: int = Field(
        40,
        ge=0,
        le=86_400,
        description="Age of the newest block after which nothing is served; 0 for a chain that"
        " mines on demand.",
    )

    max_concurrent_requests: int = Field(
        4,
        ge=1,
        le=64,
        validation_alias="TEETEE_REQUESTS_AT_ONCE",
        description="Maximum number of requests that run at the same time.",
    )
    max_active_requests: int = Field(
        64,
        ge=1,
        le=4096,
        validation_alias="TEETEE_REQUESTS_HELD",
        description="Maximum number of requests that wait or run; more are declined at once, or"
        " left to their other recipients.",
    )
    cache_bytes: int = Field(
        DEFAULT_CACHE_BYTES,
        ge=1 << 20,
        description="Maximum size of the KV caches of all running requests together.",
    )
    native_instructions: Literal["portable", "avx2", "avx512"] | None = Field(
        None,
        description="Instruction set of the native library; without it, the fastest that this CPU"
        " has. All give the same results.",
    )
    busy_wait_seconds: float = Field(
        DEFAULT_BUSY_WAIT_SECONDS,
        ge=0,
        le=1,
        description="Maximum busy wait between two tokens, on a core that no other thread needs; 0"
        " saves power.",
    )
    batch_window_seconds: float = Field(
        0.5,
        gt=0,
        le=2,
        description="Settlements that are ready within this time share a transaction.",
    )
    settle_timeout_seconds: float = Field(
        60.0,
        gt=0,
        le=600,
        description="Wait for a transaction before the request's state is read again.",
    )
    max_fee_gwei: float = Field(
        50.0,
        gt=0,
        le=1e6,
        description="The most that a transaction offers per gas, tip included. An offer that is not"
        " included rises to it within four fifths of the decline margin.",
    )
    warn_below_ether: float = Field(
        0.005, ge=0, description="The signer's balance below which the log and /metrics warn."
    )
    decline_margin_seconds: int = Field(
        15,
        ge=1,
        le=MAX_DECLINE_MARGIN_SECONDS,
        description="Time before the deadline at which a request without an answer is declined; at"
        f" least {MIN_DECLINE_MARGIN_SECONDS}, but on a simulated machine.",
    )
    refund_grace_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        description="Time after the deadline that is left to the requester to claim the refund.",
    )

    max_streams: int = Field(
        32,
        ge=1,
        le=1024,
        validation_alias="TEETEE_STREAMS_AT_ONCE",
        description="Maximum number of listeners to running answers.",
    )
    streams_per_second: Seconds = Field(10.0, description="New listeners per second, on average.")
    enrolments_per_minute: Seconds = Field(
        6.0,
        description="Quotes per minute, on average: so many for the host, and so many for all"
        " others.",
    )

    stop_grace_seconds: float = Field(
        20.0, ge=0, le=3600, description="Time that running requests get to finish after SIGTERM."
    )
    renewal_warning_seconds: WholeSeconds = Field(
        86_400,
        description="The log warns for this long before the quote expires, but never for more than"
        " the last third of its lifetime.",
    )

    pccs: SecretStr | None = Field(
        None,
        description="URL of a PCCS from which this enclave keeps the chain's collateral fresh."
        " Without it, other parties must. Never logged.",
    )
    collateral_seconds: Seconds = Field(
        3600.0, description="Interval between two reads of the PCCS, each followed by rechecks."
    )

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        if self.max_concurrent_requests > self.max_active_requests:
            raise ValueError("TEETEE_REQUESTS_AT_ONCE must not exceed TEETEE_REQUESTS_HELD")
        return self

    @model_validator(mode="after")
    def _margin_is_no_lever(self) -> Self:
        if not self.simulated and self.decline_margin_seconds < MIN_DECLINE_MARGIN_SECONDS:
            raise ValueError(
                f"TEETEE_DECLINE_MARGIN_SECONDS must be at least {MIN_DECLINE_MARGIN_SECONDS}"
            )
        return self

    @model_validator(mode="after")
    def _nodes_are_named(self) -> Self:
        wanted = set(_PLACEHOLDER.findall(self.rpc_url.get_secret_value()))
        if missing := sorted(wanted - set(self._named_tokens())):
            raise ValueError(f"TEETEE_RPC_TOKENS lacks {', '.join(missing)}, which rpc_url names")
        if not all(_is_url(url) for url in self.rpc_urls()):
            raise ValueError("TEETEE_RPC_URL must be http:// or https:// URLs, separated by commas")
        return self

    def rpc_urls(self) -> list[str]:
        """The nodes' URLs, with their tokens in place. Never log them."""
        tokens = self._named_tokens()
        filled = _PLACEHOLDER.sub(
            lambda found: tokens[found.group(1)], self.rpc_url.get_secret_value()
        )
        return [url.strip() for url in filled.split(",")]

    def _named_tokens(self) -> dict[str, str]:
        pairs = filter(None, self.rpc_tokens.get_secret_value().split(","))
        return dict(pair.split("=", 1) for pair in pairs)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Values are given as arguments alone: `settings_sources` decides which sources count."""
        return (init_settings,)


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()
