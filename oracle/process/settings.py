# SPDX-License-Identifier: Apache-2.0
"""The process's settings: one frozen object, read once from the environment (prefix TEETEE_) and a
file given with --settings.

All missing and invalid settings are reported together, and never with their values: the URL of an
RPC node can hold a password.
"""

import textwrap
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
from shard_runtime.backends.kv_cache import DEFAULT_CACHE_BYTES
from shard_runtime.engine.loop import DEFAULT_BUSY_WAIT_SECONDS
from teetee.errors import FieldInvalid
from teetee.protocol.endpoint import DEFAULT_PORT, MAX_PORT
from teetee.protocol.layers import LayerRange

PREFIX = "TEETEE_"
TEXT_WIDTH = 100

SECTIONS = {
    "rpc_url": "Chain",
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


def _address(value: str) -> str:
    if not is_checksum_address(value):
        raise ValueError("must be a checksummed address")
    return value


Layers = Annotated[LayerRange, NoDecode, BeforeValidator(_layers)]
Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400 * 30)]
WholeSeconds = Annotated[int, Field(ge=1, le=86_400 * 30)]


class Settings(BaseSettings):
    """The operator's decisions. `python -m oracle settings` prints the descriptions."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", arbitrary_types_allowed=True
    )

    rpc_url: SecretStr = Field(
        description="JSON-RPC URLs of the chain's nodes, separated by commas, best of three"
        " different operators; https:// except on this machine. Never logged."
    )
    rpc_quorum: int | None = Field(
        None,
        ge=1,
        le=64,
        description="How many of these nodes must agree before anything is believed. Default: more"
        " than half, which is both of two and two of three.",
    )
    chain_id: int = Field(ge=1, description="Id of the chain that the deployment is on.")
    deployment: Path = Field(description="JSON file with the addresses of the contracts.")

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
        description="Precision of the computation: int8, float32, bfloat16 or float16. All shards"
        " of a model must use the same.",
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
    data_directory: Path = Field(
        description="Folder of the journal. It holds ciphertext and public data only."
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
        description="Maximum number of unfinished requests in the journal.",
    )
    cache_bytes: int = Field(
        DEFAULT_CACHE_BYTES,
        ge=1 << 20,
        description="Maximum size of the KV caches of all running requests together.",
    )
    busy_wait_seconds: float = Field(
        DEFAULT_BUSY_WAIT_SECONDS,
        ge=0,
        le=1,
        description="Maximum busy wait between two tokens, on a core that no other thread needs; 0"
        " saves power.",
    )
    batch_window_seconds: Seconds = Field(
        0.5, description="Settlements that are ready within this time share a transaction."
    )
    settle_timeout_seconds: Seconds = Field(
        60.0, description="Wait for a transaction before the request's state is read again."
    )
    decline_margin_seconds: WholeSeconds = Field(
        15, description="Time before the deadline at which a request without an answer is declined."
    )
    refund_grace_seconds: WholeSeconds = Field(
        30, description="Time after the deadline that is left to the requester to claim the refund."
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

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment variables take precedence over the file, which arrives as arguments."""
        return env_settings, init_settings


def read_settings(file: Path | None = None) -> Settings:
    """Settings from the environment, and from a TOML or .env file where a variable is not set.

    Raises:
        SettingsInvalid: names every problem.
    """
    try:
        return Settings(**({} if file is None else _from_file(file)))
    except ValidationError as error:
        # `from None`: pydantic's message shows the values.
        raise SettingsInvalid(_problems(error)) from None


def describe_settings() -> str:
    """The reference of all settings, as text for a terminal."""
    introduction = (
        "Settings of `python -m oracle run`. Each is an environment variable, or a line of the file"
        " given with --settings: TOML with lower-case names without TEETEE_, or a .env file."
        " Environment variables take precedence. In parentheses: the option of `teetee host run`."
    )
    lines = textwrap.wrap(introduction, TEXT_WIDTH)
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            lines += ["", SECTIONS[name]]
        option = f" ({OPTIONS[name]})" if name in OPTIONS else ""
        lines.append(f"  {variable_of(name)}{option}")
        default = "Required." if field.is_required() else f"Default: {_shown(field.default)}."
        lines += textwrap.wrap(
            f"{field.description} {default}",
            TEXT_WIDTH,
            initial_indent=" " * 6,
            subsequent_indent=" " * 6,
        )
    return "\n".join(lines)


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + name.upper()


def _shown(default: object) -> str:
    if default is None:
        return "not set"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _from_file(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text) if file.suffix == ".toml" else _dotenv(text)
    except OSError:
        raise SettingsInvalid([f"{file}: cannot be read"]) from None
    except ValueError:
        raise SettingsInvalid([f"{file}: is not TOML"]) from None
    fields = {variable_of(name): name for name in Settings.model_fields}
    return {_argument(name, fields): value for name, value in values.items()}


def _dotenv(text: str) -> dict[str, Any]:
    # A .env file may set other programs' variables too; every TEETEE_ variable is checked.
    lines = dotenv_values(stream=StringIO(text), interpolate=False)
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in lines.items()
        if name.startswith(PREFIX)
    }


def _argument(name: str, fields: dict[str, str]) -> str:
    """The constructor's argument for a file's name: a field's alias, where it has one."""
    variable = PREFIX + name.upper()
    field = fields.get(variable)
    has_alias = field is not None and Settings.model_fields[field].validation_alias is not None
    return variable if has_alias else name


def _problems(error: ValidationError) -> list[str]:
    """Each problem with the setting's name in a file, its variable and the command's option."""
    fields = {variable_of(name): name for name in Settings.model_fields}
    problems = []
    for fault in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in fault["loc"]).upper()
        text = (
            "is missing"
            if fault["type"] == "missing"
            else fault["msg"].removeprefix("Value error, ")
        )
        if not place:
            problems.append(text)
            continue
        variable = place if place.startswith(PREFIX) else PREFIX + place
        option = OPTIONS.get(fields.get(variable, ""))
        command = f", or `teetee host run {option}`" if option else ""
        name = variable.removeprefix(PREFIX).lower()
        problems.append(f"{name} ({variable}{command}): {text[0].lower()}{text[1:]}")
    return sorted(problems)
