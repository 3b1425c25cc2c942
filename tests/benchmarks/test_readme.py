# SPDX-License-Identifier: Apache-2.0
"""The README's ratios.

given a README with marks
    it should put the measured ratios and the charts between them, and keep the rest
given a README without marks
    it should not change it
the project's README should have the marks, and no broken pictures
"""

import re
from pathlib import Path
from typing import Any

from benchmarks.runtime.report.readme import BEGIN, END, update_readme

FIGURES: dict[str, Any] = {
    "decode1_vs_llamacpp_rpc_q8": None,
    "decode8_vs_llamacpp_rpc_q8": 2.5,
    "decode1_vs_hf": 4.996,
    "decode8_vs_hf": None,
    "added_stage_cost": {"2 over 1": 0.043, "3 over 2": -0.01},
    "receipts_cost": 0.0123,
    "fill8": 0.95,
    "limit_share": None,
    "others_busy": [0.02, 0.31],
    "machine": {"processor": "A Processor", "date": "2026-11-24T17:23:37+00:00"},
}
ROOT = Path(__file__).parent.parent.parent


def test_update_readme__marks__hold_only_what_was_measured(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nrest\n")
    update_readme(readme, FIGURES)
    once = readme.read_text()
    assert once.startswith(f"# Title\n\n{BEGIN}\n")
    assert once.endswith(f"{END}\n\nrest\n")
    assert "old" not in once
    assert [once.count(f"runtime-{name}.svg") for name in ("streams", "stages", "memory")] == [
        1
    ] * 3
    rows = [line for line in once.splitlines() if line.startswith("| ")][1:]
    assert [row.rsplit("| ", 1)[1] for row in rows] == [
        "2.50 × |",
        "5.00 × |",
        "+4.3 % (2 over 1), -1.0 % (3 over 2) |",
        "1.2 % |",
        "95.0 % |",
    ]
    assert "2026-11-24; others used up to 31% of the processor meanwhile." in once
    update_readme(readme, FIGURES)
    assert readme.read_text() == once


def test_update_readme__no_marks__changes_nothing(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("# Title\n")
    update_readme(readme, FIGURES)
    assert readme.read_text() == "# Title\n"


def test_readme__of_the_project__has_marks_and_no_broken_pictures() -> None:
    text = (ROOT / "README.md").read_text()
    assert text.index(BEGIN) < text.index(END)
    assert [
        path for path in re.findall(r"!\[[^]]*\]\((\S+?)\)", text) if not (ROOT / path).exists()
    ] == []
