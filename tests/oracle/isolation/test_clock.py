# SPDX-License-Identifier: Apache-2.0
"""The wall clock, which the host sets, decides nothing in an enclave.

given the code that runs there
    it should ask for the wall clock only where a wrong answer changes no decision
"""

import ast

from tests.source_tree import ROOT, relative, tracked_files

ENCLAVE = ("oracle", "shard_runtime", "teetee/chain", "teetee/enclave", "teetee/protocol")
ASKED = {
    # How long an attestation is still good, for /health and /metrics.
    "oracle/operations/standing.py",
    # The date that a template may print: the host can set what a prompt says of the day.
    "shard_runtime/model_files/chat_template/renderer.py",
    # `Retry-After` with a date: how long a busy node is left alone, within a limit.
    "teetee/chain/nodes/node_failures.py",
}
WALL_CLOCK = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}


def test_b_l6_wall_clock__code_of_an_enclave__decides_nothing_by_it() -> None:
    sources = [
        path
        for path in tracked_files()
        if path.suffix == ".py" and relative(path).startswith(tuple(f"{each}/" for each in ENCLAVE))
    ]
    assert len(sources) > 100
    found = {
        relative(path)
        for path in sources
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in WALL_CLOCK
    }
    assert found == ASKED
