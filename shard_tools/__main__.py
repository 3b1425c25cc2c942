# SPDX-License-Identifier: Apache-2.0
"""`python -m shard_tools`: a model's digests, where to cut it, who serves what, and the check
that split equals whole.

Serving is not started here: `python -m oracle run` joins this runtime with the chain.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from shard_runtime.model_files.digests import publish
from shard_runtime.model_files.gguf.prepare import prepare as prepare_gguf
from shard_runtime.model_files.source import open_model
from shard_runtime.model_files.split import split_layers
from shard_tools.check.comparison import run_check
from shard_tools.check.prompts import Form
from shard_tools.check.unsplit import answer_unsplit
from shard_tools.plan.demand import Precision
from shard_tools.plan.hosts_json import EXAMPLE
from shard_tools.plan.measure import measure
from shard_tools.plan.planning import make_plan
from teetee.errors import TeeTeeError

DIFFERENT, FAILED = 1, 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=(
        "A model's digests, where to cut it, who serves what, and the check that a split model "
        "says what the whole one says.\n\nA MODEL is a folder with config.json and "
        "*.safetensors, a folder with one *.gguf, a .gguf file, or a hub id.\n\n"
        "Exit status: 0 equal, 1 different, 2 error."
    ),
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="folder, .gguf file or hub id")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="of each answer")]
Chat = Annotated[
    bool | None,
    typer.Option(
        "--chat/--raw",
        help="each line as a user's message, or as it stands; by default as the model has a "
        "chat template or not",
    ),
]
_PROMPTS_HELP = "one prompt a line; a line of numbers is token ids; - for standard input"


@app.command()
def digest(model: Model, as_json: Json = False) -> None:
    """Hash a model's parts (docs/protocol.md section 2); --json is the manifest to publish."""
    with _errors_told(as_json):
        manifest = publish(open_model(model))
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


@app.command()
def split(
    model: Model,
    stages: Annotated[int, typer.Option(min=1, help="how many shards")] = 2,
    as_json: Json = False,
) -> None:
    """Propose layer ranges that take about equally long; the first is the entry's."""
    with _errors_told(as_json):
        ranges = split_layers(open_model(model).architecture, stages)
        if as_json:
            _write({"layers": [[each.first, each.end] for each in ranges]})
        else:
            Console().print("  ".join(str(each) for each in ranges), markup=False)


@app.command(epilog=f"An example of FILE:\n{EXAMPLE}".replace("\n", "\n\n"))
def plan(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", show_default=False)] = None,
    hosts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON: who there is, see above")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="of the weights")] = Precision.FLOAT32,
    context: Annotated[
        int | None, typer.Option(min=2, help="tokens of each request; 4096, or the model's")
    ] = None,
    streams: Annotated[int, typer.Option(min=1, help="requests at the same time")] = 8,
    stages: Annotated[
        int | None, typer.Option(min=1, help="at most so many ranges; other hosts are replicas")
    ] = None,
    measure_here: Annotated[
        bool, typer.Option("--measure", "--measure-here", help="measure this machine instead")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="to measure with")] = None,
    as_json: Json = False,
) -> None:
    """Propose which host serves which layers, so that the slowest is as fast as it can be.

    FILE lists hosts, the fields of each: name; memory, that the enclave's process may have; its
    speed, by bandwidth (GB/s read from memory), by bandwidth and compute (GFLOP/s), or by
    secondsPerLayer (measured, for one token); latency, a round trip to all others in ms as ping
    shows it, or an object of names (default 0); entry, whether it may be one (default true).

    Run --measure on each host, with the threads that its enclave will have: it prints that host's
    line for FILE. Hosts which are not needed become replicas of the slowest ranges. Speeds are
    what memory and links allow, not promises.
    """
    with _errors_told(as_json):
        if measure_here:
            _write(measure(threads))
            return
        if model is None or hosts is None:
            raise typer.BadParameter("give MODEL and --hosts FILE, or --measure")
        report = make_plan(
            model, hosts, precision=precision, context=context, streams=streams, stages=stages
        )
        if as_json:
            _write(report.to_json())
        else:
            report.print(Console())


@app.command()
def prepare(
    model: Model,
    folder: Annotated[Path, typer.Argument(help="where to put the GGUF and its tokenizer.json")],
    as_json: Json = False,
) -> None:
    """Give a bare GGUF its tokenizer.json (by transformers): serving then needs no conversion."""
    with _errors_told(as_json):
        source = prepare_gguf(open_model(model), folder)
        if as_json:
            _write({"model": str(source.folder)})
        else:
            Console().print(f"Ready to serve: {source.folder}", markup=False)


@app.command()
def check(
    model: Model,
    prompts: Annotated[Path, typer.Option(allow_dash=True, help=_PROMPTS_HELP)],
    stages: Annotated[int, typer.Option(min=1, help="how many stage processes")] = 2,
    max_tokens: MaxTokens = 32,
    chat: Chat = None,
    as_json: Json = False,
) -> None:
    """Run N stage processes and the unsplit model; compare greedy tokens and peak memory."""
    with _errors_told(as_json):
        report = run_check(
            model,
            stages=stages,
            prompts=_read(prompts),
            max_tokens=max_tokens,
            form=_form(chat),
        )
        if as_json:
            _write(report.to_json())
        else:
            report.print(Console())
        if not report.equal:
            raise typer.Exit(DIFFERENT)


@app.command()
def unsplit(
    model: Model,
    prompt_file: Annotated[Path, typer.Option(allow_dash=True, help=_PROMPTS_HELP)],
    max_tokens: MaxTokens = 32,
    chat: Chat = None,
    as_json: Json = False,
) -> None:
    """Answer greedily with the whole model by transformers, as a witness for split answers."""
    with _errors_told(as_json):
        report = answer_unsplit(model, _read(prompt_file), _form(chat), max_tokens)
        if as_json:
            _write(report.to_json())
            return
        for answer in report.answers:
            shown = answer.text or " ".join(str(token) for token in answer.token_ids)
            Console().print(shown, markup=False)


def main() -> None:
    """The command."""
    app()


def _form(chat: bool | None) -> Form:
    if chat is None:
        return Form.AUTOMATIC
    return Form.CHAT if chat else Form.RAW


def _read(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise typer.BadParameter(f"{path} cannot be read as UTF-8 text") from None


def _write(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def _errors_told(as_json: bool) -> Iterator[None]:
    """Errors of the project's own tree end the command with a sentence, not with a traceback."""
    try:
        yield
    except TeeTeeError as error:
        if as_json:
            _write({"error": {"kind": type(error).__name__, "message": str(error)}})
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED) from None


if __name__ == "__main__":
    main()
