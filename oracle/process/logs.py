# SPDX-License-Identifier: Apache-2.0
"""JSON lines on stderr: a fixed short message, and facts from an allow-list.

A fact that is not listed is not written: no prompt, answer, key, envelope or activation can leak
through a careless call, a library's debug line or the text of an exception. Errors of our own tree
are written with their text (its classes promise that it holds no secrets), others with their class
name only. Records of libraries keep level and logger name only: web3 logs whole payloads.

No call raises because a line cannot be written (a full disk, a closed pipe): every thread logs,
also where it handles a failure, and a thread that dies of its log leaves requests silent.
"""

import io
import logging
import re
import sys
import threading
from collections.abc import Callable, Mapping
from typing import TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from teetee.errors import TeeTeeError

Check = Callable[[object], bool]

_WORD = re.compile(r"[A-Za-z0-9_.:/\[\]-]{1,80}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")
_MAX_ERROR_CHARACTERS = 600

WITHHELD = "withheld"
_OWN_PACKAGES = frozenset({"shard_runtime", "teetee"})
_OWN_FACTS = ("kind", "shard", "peer", "request")
"""The facts that records of these packages may carry, of those in FACTS."""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _is_number_or_hex(value: object) -> bool:
    return _is_number(value) or _is_hex(value)


def _is_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, int) for item in value)


# Each fact and the form of its value. The log is public: add a fact only if anyone may read it.
FACTS: Mapping[str, Check] = {
    **dict.fromkeys(
        (
            "request_id",
            "shard_id",
            "block",
            "seconds",
            "seconds_left",
            "gas",
            "count",
            "first",
            "end",
            "is_entry",
            "nonce",
            "node",
            "gwei",
            "ether",
            "port",
        ),
        _is_number,
    ),
    "transaction": _is_hex,
    **dict.fromkeys(("state", "reason", "kind", "logger", "task"), _is_word),
    **dict.fromkeys(("shard", "peer", "request"), _is_number_or_hex),
    **dict.fromkeys(("request_ids", "peers"), _is_numbers),
}


def _error_facts(error: object) -> dict[str, str]:
    if not isinstance(error, BaseException):
        return {"error": WITHHELD}
    if isinstance(error, TeeTeeError):
        return {"error": error.error_name, "detail": str(error)[:_MAX_ERROR_CHARACTERS]}
    return {"error": type(error).__name__}


def keep_allowed(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drops facts that are not listed; a listed fact of the wrong form becomes `withheld`."""
    kept: EventDict = {"event": event["event"]}
    for name, value in event.items():
        if name == "error":
            kept.update(_error_facts(value))
        elif name in FACTS:
            kept[name] = value if FACTS[name](value) else WITHHELD
    return kept


class _Lines(io.TextIOBase):
    """Passes lines on to a stream. A failure of the stream is noted in the next lines, not raised.

    What a buffered stream could not write is written later, as far as its buffer reaches; further
    lines are lost whole.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._has_failed = False

    def write(self, text: str) -> int:
        """structlog calls it, then `flush`, under a lock of its own."""
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self._has_failed = True
        else:
            self._has_failed = False
        return len(text)

    def note_failure(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """A processor: says in a line that lines before it may be missing."""
        return {**event, "lines_may_be_missing": True} if self._has_failed else event


class _LibraryRecords(logging.Handler):
    """Receives all records of the standard library's loggers, and writes none of their text.

    Records of our own packages are an exception if they have no arguments: their text is fixed, and
    their facts go through the allow-list.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        super().__init__(level=logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts: dict[str, object] = {} if error is None else {"error": error}
        event = "library message"
        if record.name.partition(".")[0] in _OWN_PACKAGES and not record.args:
            event = str(record.msg)
            facts |= {name: getattr(record, name) for name in _OWN_FACTS if hasattr(record, name)}
        self._log.warning(event, logger=record.name, **facts)


def open_log(stream: TextIO | None = None) -> FilteringBoundLogger:
    """Sets up logging for the whole process. Call it once, before anything else starts."""
    lines = _Lines(stream or sys.stderr)
    structlog.configure(
        processors=[
            keep_allowed,
            lines.note_failure,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, lines)),
        cache_logger_on_first_use=False,
    )
    log = cast(FilteringBoundLogger, structlog.get_logger())
    redirect_library_logs(log)
    return log


def report_uncaught_errors(log: FilteringBoundLogger) -> None:
    """Logs errors that no handler catches, instead of Python's traceback, whose messages can hold
    values.
    """

    def report(error: BaseException | None) -> None:
        log.error("uncaught error", error=error)

    sys.excepthook = lambda _kind, error, _trace: report(error)
    threading.excepthook = lambda failed: report(failed.exc_value)
    sys.unraisablehook = lambda failed: report(failed.exc_value)


def redirect_library_logs(log: FilteringBoundLogger) -> None:
    """Sends the records of all standard-library loggers to `log`, without their text."""
    logging.root.handlers[:] = [_LibraryRecords(log)]
    logging.root.setLevel(logging.WARNING)
    for name in ("web3", "asyncio", "urllib3", "aiohttp", "transformers"):
        library = logging.getLogger(name)
        library.handlers[:] = []
        library.propagate = True
        library.setLevel(logging.WARNING)
    # Also catches texts with values that `warnings.warn` would write to stderr.
    logging.captureWarnings(True)
