# SPDX-License-Identifier: Apache-2.0
"""The one frozen settings object, read once: environment (prefix TEETEE_), then a file given with
--settings.

Every missing or invalid name is reported at once, and never a value: an address of an RPC node can
hold a password.
"""

import tomllib
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv import dotenv_values
from eth_utils.address import is_checksum_address
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from oracle.errors import SettingsInvalid
from teetee.errors import FieldInvalid
from teetee.protocol.layers import LayerRange

PREFIX = "TEETEE_"


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


def _address(value: str) -> str:
    if not is_checksum_address(value):
        raise ValueError("must be a checksummed address")
    return value


Layers = Annotated[LayerRange, NoDecode, BeforeValidator(_layers)]
Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 30)]
WholeSeconds = Annotated[int, Field(ge=1, le=86_400 * 30)]


class Settings(BaseSettings):
    """All that an operator decides. Descriptions are what `python -m oracle settings` prints."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", arbitrary_types_allowed=True
    )

    # where the truth is
    rpc_url: SecretStr = Field(description="RPC node, or several with commas between; never shown")
    chain_id: int = Field(ge=1, description="the chain that the deployment is on")
    deployment: Path = Field(description="JSON file with the deployed addresses")

    # what this enclave is
    host: Address = Field(description="wallet which owns this shard and earns")
    model_id: int = Field(ge=1, lt=1 << 32, description="published model")
    model: str = Field(min_length=1, description="GGUF file, local folder or hub id of its weights")
    layers: Layers = Field(description="FIRST-END, half-open, like 0-15")
    dtype: Literal["int8", "float32", "bfloat16", "float16"] = Field(
        "float32", description="precision that the weights are computed in, the model's whole path"
    )
    is_entry: bool = Field(
        False, description="also holds tokenizer, embedding and head, and runs requests"
    )

    # where it listens and keeps its journal
    listen_host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104
    listen_port: int = Field(
        7443, ge=0, le=65_535, description="one port for all purposes; 0 takes a free one"
    )
    data_directory: Path = Field(description="journal; holds ciphertext and public data only")

    # the watch
    confirmations: int = Field(
        1, ge=0, le=256, description="blocks on top of a request before work on it starts"
    )
    poll_seconds: Seconds = Field(2.0, description="between two looks at the escrow")
    peer_poll_seconds: Seconds = Field(2.0, description="between two looks at the registry")
    books_seconds: Seconds = Field(60.0, description="between two sweeps at the safe block")
    stale_head_seconds: int = Field(
        40,
        ge=0,
        le=86_400,
        description="believe nothing when no block came for so long; 0: mined on demand",
    )

    # the work
    requests_at_once: int = Field(4, ge=1, le=64, description="requests run at the same time")
    requests_held: int = Field(
        64, ge=1, le=4096, description="requests held in the journal at the same time"
    )
    cache_bytes: int = Field(
        1 << 30, ge=1 << 20, description="keys and values of all running requests, at most"
    )
    busy_wait_seconds: float = Field(
        0.02, ge=0, le=1, description="busy-wait between tokens on a free core; 0 saves power"
    )
    batch_window_seconds: Seconds = Field(
        0.5, description="settlements ready within this share a transaction"
    )
    settle_timeout_seconds: Seconds = Field(
        60.0, description="wait for a transaction before asking the state again"
    )
    decline_margin_seconds: WholeSeconds = Field(
        15, description="before the deadline, give up and decline"
    )
    refund_grace_seconds: WholeSeconds = Field(
        30, description="after the deadline, leave the refund to the requester this long"
    )

    # the open endpoints
    streams_at_once: int = Field(32, ge=1, le=1024, description="listeners to running answers")
    streams_per_second: Seconds = Field(10.0, description="new listeners, on average")
    enrolments_per_minute: Seconds = Field(6.0, description="quotes given out, on average")

    # its own upkeep
    stop_grace_seconds: float = Field(
        20.0, ge=0, le=3600, description="running requests may finish after SIGTERM"
    )
    renewal_warning_seconds: WholeSeconds = Field(
        86_400, description="warn this long before the quote expires"
    )

    pccs: SecretStr | None = Field(
        None, description="PCCS to keep the chain's collateral fresh from; without it, others do"
    )
    collateral_seconds: Seconds = Field(
        3600.0, description="between two looks at that PCCS, each followed by rechecks"
    )

    @model_validator(mode="after")
    def _margins_fit(self) -> Self:
        if self.requests_at_once > self.requests_held:
            raise ValueError("TEETEE_REQUESTS_AT_ONCE must not exceed TEETEE_REQUESTS_HELD")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, which comes as arguments."""
        return env_settings, init_settings


def read_settings(file: Path | None = None) -> Settings:
    """Settings from the environment and, where it is silent, from a TOML file or a .env file.

    Raises:
        SettingsInvalid: with every problem, by name.
    """
    try:
        return Settings(**({} if file is None else _from_file(file)))
    except ValidationError as error:
        # Without `from`: pydantic's text shows the values.
        raise SettingsInvalid(_problems(error)) from None


def _from_file(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            return tomllib.loads(text)
    except OSError:
        raise SettingsInvalid([f"{file}: cannot be read"]) from None
    except ValueError:
        raise SettingsInvalid([f"{file}: not TOML"]) from None
    # A .env file may hold other programs' names as well; ours are checked one and all.
    lines = dotenv_values(stream=StringIO(text), interpolate=False)
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in lines.items()
        if name.startswith(PREFIX)
    }


def _problems(error: ValidationError) -> list[str]:
    problems = []
    for fault in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in fault["loc"])
        name = PREFIX + place.upper() if not place.upper().startswith(PREFIX) else place.upper()
        text = (
            "is missing"
            if fault["type"] == "missing"
            else fault["msg"].removeprefix("Value error, ")
        )
        problems.append(f"{name} {text}" if place else text)
    return sorted(problems)


def describe_settings() -> str:
    """All names with meaning and default, one a line."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"default {field.default}"
        lines.append(f"{PREFIX + name.upper():34} {field.description} ({default})")
    return "\n".join(lines)
