"""The way of one request: which path it is on, and what it lost on the way."""

from structlog.typing import FilteringBoundLogger

from oracle.paths import Paths
from teetee.chain.requests import Request
from teetee.identifiers import ShardId


class Route:
    """As a context: its path counts as in use until the end. Used by one thread."""

    def __init__(self, request: Request, paths: Paths, log: FilteringBoundLogger) -> None:
        self._request = request
        self._paths = paths
        self._log = log
        self._blamed: frozenset[ShardId] = frozenset()
        self._path: tuple[ShardId, ...] = ()

    def __enter__(self) -> "Route":
        return self

    def __exit__(self, *_: object) -> None:
        self._paths.end(self._path)

    def choose(self, avoiding: frozenset[ShardId]) -> tuple[ShardId, ...]:
        """As the runtime asks for a path, at first and after each loss; what failed rests for all
        requests.
        """
        if lost := avoiding - self._blamed:
            self._blamed |= lost
            self._paths.blame(lost)
            self._log.warning(
                "path broke",
                request_id=int(self._request.request_id),
                lost=[int(each) for each in sorted(lost)],
            )
        self._path = tuple(
            self._paths.choose(avoiding=avoiding, until=self._request.deadline, former=self._path)
        )
        return self._path
