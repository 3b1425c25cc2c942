# SPDX-License-Identifier: Apache-2.0
"""Write teetee/abi: the ABIs, and only the ABIs, of the contracts that forge compiled.

    ape run export_abi [--check]
    python scripts/export_abi.py [--check]

Entries are sorted, so that a file changes only when the interface does. Compile first: `make
contracts`.
"""

import json
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "forge"
TARGET = ROOT / "teetee" / "abi"
CONTRACTS = (
    "AutomataVerifier",
    "DcapVerifier",
    "GuardedAccessManager",
    "IAutomataDcap",
    "IAutomataRouter",
    "InferenceEscrow",
    "LongCrls",
    "PckCertificates",
    "ShardRegistry",
    "UsageToken",
)


def _types(arguments: list[dict[str, Any]]) -> list[str]:
    return [argument["type"] for argument in arguments]


def _order(entry: dict[str, Any]) -> tuple[str, str, list[str]]:
    return entry["type"], entry.get("name", ""), _types(entry.get("inputs", []))


def render(contract: str) -> str:
    """The content of a contract's file, from forge's artefact."""
    artefact = BUILD / f"{contract}.sol" / f"{contract}.json"
    if not artefact.is_file():
        raise click.ClickException(f"{artefact} is missing: run `make contracts` first.")
    abi = sorted(json.loads(artefact.read_text())["abi"], key=_order)
    return json.dumps(abi, indent=1, sort_keys=True) + "\n"


def stale_files(wanted: dict[Path, str]) -> list[Path]:
    """Files that are missing, different, or of a contract that is not exported any more."""
    present = set(TARGET.glob("*.json"))
    differing = {
        path for path, text in wanted.items() if path not in present or path.read_text() != text
    }
    return sorted(differing | (present - set(wanted)))


@click.command()
@click.option("--check", is_flag=True, help="Only check whether the files are up to date.")
def cli(check: bool) -> None:
    """Write the ABIs that Python reads, or check that they are up to date."""
    wanted = {TARGET / f"{contract}.json": render(contract) for contract in CONTRACTS}
    stale = stale_files(wanted)
    names = ", ".join(path.name for path in stale)
    if check:
        if stale:
            raise click.ClickException(f"stale ABIs: {names}. Run `python scripts/export_abi.py`.")
        return
    TARGET.mkdir(exist_ok=True)
    for path in stale:
        if path in wanted:
            path.write_text(wanted[path])
        else:
            path.unlink()
    click.echo(f"Written: {names}" if stale else "All ABIs are up to date.")


if __name__ == "__main__":
    cli()
