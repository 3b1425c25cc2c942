# SPDX-License-Identifier: Apache-2.0
"""JSON lines on stderr: a fixed short message and facts from an allow-list.

What is not on the list is not written: no prompt, answer, key, envelope or activation can slip in
by a careless call, by a library's debug line or by an exception's text. Of errors, only our own
tree's text is shown (its classes promise that it holds no secrets); of others the class name. Other
libraries' records keep level and logger name alone: web3 logs whole payloads and DBOS whole
tracebacks.
"""

import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from teetee.errors import TeeTeeError

Check = Callable[[object], bool]

_WORD = re.compile(r"[A-Za-z0-9_.:/\[\]-]{1,80}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")
_ERROR_CHARACTERS = 600

WITHHELD = "withheld"
_OUR_PACKAGES = frozenset({"shard_runtime", "teetee"})


def _number(value: object) -> bool:
    return isinstance(value, int | float)


def _word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _hex(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, int) for item in value)


# Fact by fact: what it may look like. Add here with the thought that strangers read it.
FACTS: Mapping[str, Check] = {
    **dict.fromkeys(
        (
            "request_id",
            "shard_id",
            "model_id",
            "chain_id",
            "block",
            "age",
            "seconds",
            "seconds_left",
            "deadline",
            "input_tokens",
            "output_tokens",
            "gas",
            "wei",
            "count",
            "port",
            "attempt",
            "pending",
            "first",
            "end",
            "is_entry",
            "until",
        ),
        _number,
    ),
    **dict.fromkeys(
        ("host", "signer", "registry", "escrow", "transaction", "address", "slice_digest"), _hex
    ),
    **dict.fromkeys(
        ("state", "step", "reason", "kind", "logger", "task", "purpose", "listen"), _word
    ),
    **dict.fromkeys(("path", "request_ids"), _numbers),
}


def _error_facts(error: object) -> dict[str, str]:
    if not isinstance(error, BaseException):
        return {"error": WITHHELD}
    if isinstance(error, TeeTeeError):
        return {"error": error.error_name, "detail": str(error)[:_ERROR_CHARACTERS]}
    return {"error": type(error).__name__}


def keep_allowed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drops what is not on the list; a listed fact of the wrong shape becomes `withheld`."""
    kept: EventDict = {"event": event["event"]}
    for name, value in event.items():
        if name == "error":
            kept.update(_error_facts(value))
        elif name in FACTS:
            kept[name] = value if FACTS[name](value) else WITHHELD
    return kept


class _LibraryRecords(logging.Handler):
    """Where the standard library's loggers end: level and name, never the text."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(level=logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts: dict[str, object] = {} if error is None else {"error": error}
        # Our own packages log fixed texts with a kind; whatever has arguments may hold anything.
        ours = record.name.partition(".")[0] in _OUR_PACKAGES and not record.args
        event = str(record.msg) if ours else "library message"
        if ours and hasattr(record, "kind"):
            facts["kind"] = record.kind
        self._log.warning(event, logger=record.name, **facts)


def open_log(stream: TextIO | None = None) -> FilteringBoundLogger:
    """Sets up logging for the whole process. Call once, before anything else is started."""
    stream = stream or sys.stderr
    structlog.configure(
        processors=[
            keep_allowed,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    log = cast(FilteringBoundLogger, structlog.get_logger())
    tame_libraries(log)
    return log


def tame_libraries(log: FilteringBoundLogger) -> None:
    """Takes the text out of every standard-library logger's output. Again after DBOS has started,
    which adds its own handler.
    """
    handler = _LibraryRecords(log)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.WARNING)
    for name in ("dbos", "web3", "asyncio", "urllib3", "aiohttp", "sqlalchemy", "transformers"):
        library = logging.getLogger(name)
        library.handlers[:] = []
        library.propagate = True
        library.setLevel(logging.WARNING)
    # Also catches what would reach stderr through warnings.warn with a value in its text.
    logging.captureWarnings(True)
