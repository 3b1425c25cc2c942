# SPDX-License-Identifier: Apache-2.0
"""`python -m shard_tools`: digest, split, plan, prepare and check a model.

These tools do not serve: `python -m oracle run` connects the runtime to the chain.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shard_runtime.model_files.digests import build_manifest
from shard_runtime.model_files.source import open_model
from shard_runtime.model_files.split import split_layers
from shard_tools.check.comparison import run_check
from shard_tools.check.prompts import PromptForm
from shard_tools.check.report import CheckReport
from shard_tools.check.unsplit import answer_unsplit
from shard_tools.help_text import HelpfulGroup, documented_command
from shard_tools.plan.demand import WeightPrecision
from shard_tools.plan.hosts_json import HOSTS_HELP
from shard_tools.plan.measure import measure
from shard_tools.plan.planning import make_plan
from shard_tools.plan.report import PlanReport
from shard_tools.prepare import prepare_gguf
from teetee.errors import TeeTeeError
from teetee.protocol.manifest import DEFAULT_PRECISION, PRECISIONS
from teetee.standard_streams import run_with_streams, takes_unicode

DIFFERENT, FAILED = 1, 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    cls=HelpfulGroup,
    context_settings={"help_option_names": ["--help", "-h"]},
    help=(
        "Tools for people who publish or host a model: hash its parts, split its layers, plan "
        "which host serves which, and check that the split model answers like the whole one.\n\n"
        "A MODEL is a folder with config.json and *.safetensors, a folder with one *.gguf, a .gguf "
        "file, or a hub id."
    ),
    epilog="Exit status: 0 success, 1 `check` found a difference, 2 error.",
)


Precision = StrEnum("Precision", {name: name for name in PRECISIONS})  # type: ignore[misc]
FLOAT32 = Precision(DEFAULT_PRECISION)
Model = Annotated[str, typer.Argument(metavar="MODEL", help="Folder, .gguf file or hub id.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document to standard output.")]
MaxTokens = Annotated[
    int, typer.Option("--max-tokens", min=1, metavar="N", help="Maximum tokens per answer.")
]
Chat = Annotated[
    bool | None,
    typer.Option(
        "--chat/--raw",
        help="Send each line as a user's chat message, or as plain text. Default: chat if the "
        "model has a chat template.",
        show_default=False,
    ),
]
_PROMPTS_HELP = "Text file with one prompt per line; a line of numbers is token ids; - for stdin."


@documented_command(app, "python -m shard_tools digest models/name --json > manifest.json")
def digest(
    model: Model,
    precision: Annotated[
        Precision,
        typer.Option(help="What the model's shards shall compute in. The digests cover it."),
    ] = FLOAT32,
    as_json: Json = False,
) -> None:
    """Hash the parts of a model.

    With --json, prints the manifest that a publisher puts on chain (docs/protocol.md, section 2).
    """
    with _friendly_errors(as_json):
        manifest = build_manifest(open_model(model), precision.value)
        if as_json:
            sys.stdout.write(manifest.to_json())
            return
        table = Table("part", "digest", title=f"{manifest.name}, {manifest.layer_count} layers")
        table.add_row("config", manifest.config_digest.hex())
        table.add_row("embedding", manifest.embedding_digest.hex())
        table.add_row("head", manifest.head_digest.hex())
        for layer, each in enumerate(manifest.layer_digests):
            table.add_row(f"layer {layer}", each.hex())
        Console().print(table)


@documented_command(app, "python -m shard_tools split models/name --stages 3")
def split(
    model: Model,
    stages: Annotated[int, typer.Option(min=1, metavar="N", help="Number of shards.")] = 2,
    as_json: Json = False,
) -> None:
    """Split a model's layers into ranges that take about equally long.

    The first range is the entry's, which also holds embedding and head. For hosts of different
    speed, use `plan`.
    """
    with _friendly_errors(as_json):
        ranges = split_layers(open_model(model).architecture, stages)
        if as_json:
            _print_json({"layers": [[each.first, each.end] for each in ranges]})
        else:
            Console().print("  ".join(str(each) for each in ranges), markup=False)


@documented_command(
    app,
    "python -m shard_tools plan --measure --threads 2",
    "python -m shard_tools plan models/name --hosts hosts.json --precision int8",
    notes=HOSTS_HELP,
)
def plan(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Folder, .gguf file or hub id.", show_default=False),
    ] = None,
    hosts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hosts file (JSON), described below.")
    ] = None,
    precision: Annotated[
        WeightPrecision,
        typer.Option(metavar="NAME", help="Precision of the weights: float32, int8 or bfloat16."),
    ] = WeightPrecision.FLOAT32,
    context: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Tokens per request. Default: 4096, or the model's context."
        ),
    ] = None,
    streams: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of concurrent requests.")
    ] = 8,
    stages: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Maximum number of ranges; further hosts become replicas."
        ),
    ] = None,
    measure_here: Annotated[
        bool,
        typer.Option(
            "--measure", "--measure-here", help="Measure this machine instead of planning."
        ),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Threads to measure with. Default: all cores."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Plan which host serves which layers, so that the slowest stage is as fast as possible.

    Run --measure on each host, with as many threads as its enclave will have, and collect the
    output in a hosts file. Hosts that are not needed become replicas of the slowest ranges. The
    speeds are upper bounds set by memory and links, not promises.
    """
    with _friendly_errors(as_json):
        if measure_here:
            _print_json(measure(threads))
            return
        if model is None or hosts is None:
            raise typer.BadParameter("give MODEL and --hosts FILE, or --measure")
        report = make_plan(
            model, hosts, precision=precision, context=context, streams=streams, stages=stages
        )
        _print_report(report, as_json)


@documented_command(app, "python -m shard_tools prepare name.gguf models/name")
def prepare(
    model: Model,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to create.")],
    as_json: Json = False,
) -> None:
    """Put a GGUF into a folder together with its tokenizer, ready to serve.

    Converts the tokenizer once, so that the serving processes need not. Digests do not change.
    """
    with _friendly_errors(as_json):
        source = prepare_gguf(open_model(model), folder)
        if as_json:
            _print_json({"model": str(source.folder)})
        else:
            Console().print(f"Ready to serve: {source.folder}", markup=False)


@documented_command(app, "python -m shard_tools check models/name --stages 3 --prompts prompts.txt")
def check(
    model: Model,
    prompts: Annotated[Path, typer.Option(allow_dash=True, metavar="FILE", help=_PROMPTS_HELP)],
    stages: Annotated[int, typer.Option(min=1, metavar="N", help="Number of stage processes.")] = 2,
    max_tokens: MaxTokens = 32,
    chat: Chat = None,
    against_transformers: Annotated[
        bool,
        typer.Option(
            "--against-transformers",
            help="Also compare tokens, template output, end tokens and logits with transformers.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that the split model answers exactly like the whole one.

    Runs real stage processes on this machine, connected by TLS, and the unsplit model by
    transformers. Compares their greedy answers token by token, verifies all receipts, and reports
    the peak memory of each process. With --against-transformers, shows which part of the model
    differs: tokens (over a sample text of 2,000 lines), template, end tokens or logits.
    """
    with _friendly_errors(as_json):
        report = run_check(
            model,
            stages=stages,
            prompts=_read_text(prompts),
            max_tokens=max_tokens,
            form=_prompt_form(chat),
            against_transformers=against_transformers,
        )
        _print_report(report, as_json)
        if not report.equal:
            raise typer.Exit(DIFFERENT)


@documented_command(app, "python -m shard_tools unsplit models/name --prompt-file prompts.txt")
def unsplit(
    model: Model,
    prompt_file: Annotated[Path, typer.Option(allow_dash=True, metavar="FILE", help=_PROMPTS_HELP)],
    max_tokens: MaxTokens = 32,
    chat: Chat = None,
    as_json: Json = False,
) -> None:
    """Answer prompts greedily with the whole model, as a reference for split answers.

    Uses transformers alone, none of this runtime's arithmetic.
    """
    with _friendly_errors(as_json):
        text = _read_text(prompt_file)
        report = answer_unsplit(model, text, _prompt_form(chat), max_tokens)
        if as_json:
            _print_json(report.to_json())
            return
        for answer in report.answers:
            shown = answer.text or " ".join(str(token) for token in answer.token_ids)
            Console().print(shown, markup=False)


def main() -> None:
    """Runs the command line."""
    run_with_streams(app, FAILED)


def _prompt_form(chat: bool | None) -> PromptForm:
    if chat is None:
        return PromptForm.AUTOMATIC
    return PromptForm.CHAT if chat else PromptForm.RAW


def _read_text(path: Path) -> str:
    if str(path) == "-":
        return "" if sys.stdin is None else sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter(f"{path} cannot be read as UTF-8 text") from None


def _print_report(report: CheckReport | PlanReport, as_json: bool) -> None:
    if as_json:
        _print_json(report.to_json())
    else:
        report.print(Console())


def _print_json(value: dict[str, Any]) -> None:
    ensure_ascii = not takes_unicode(sys.stdout)
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=ensure_ascii) + "\n")


@contextmanager
def _friendly_errors(as_json: bool) -> Iterator[None]:
    """Ends the command with the message of a TeeTee error instead of a traceback."""
    try:
        yield
    except TeeTeeError as error:
        if as_json:
            _print_json({"error": {"kind": type(error).__name__, "message": str(error)}})
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED) from None


if __name__ == "__main__":
    main()
