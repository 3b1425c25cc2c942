# SPDX-License-Identifier: Apache-2.0
"""`python -m demo host`: one more host in a running world, by the commands that a host uses."""

from __future__ import annotations

import json
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path

from demo.cli import TEETEE
from demo.commands.keeping import report_end
from demo.commands.options import HostOptions
from demo.errors import Interrupted, LayersInvalid
from demo.folders import Folders, wait_for_release
from demo.kept_world import KeptWorld
from demo.output.console import Console
from demo.output.narration import short_path
from demo.phases.enclaves import LOAD_SECONDS, SERVE_SECONDS, is_event, is_ready
from demo.phases.machines import serve_command, socket_of, start_machines
from demo.processes.environment import environment
from demo.processes.ports import LOOPBACK, free_port
from demo.processes.process_group import Argument
from demo.processes.service_process import ServiceProcess
from demo.processes.supervisor import Supervisor
from teetee.errors import FieldInvalid
from teetee.protocol.layers import LayerRange

COMMAND_SECONDS = 120.0
SIGNER_ETHER = "1"


@dataclass(frozen=True)
class HostCommands:
    """The commands that add a host, as typed after `source build/world.env`."""

    kept: KeptWorld
    folders: Folders
    layers: LayerRange
    name: str
    port: int

    @property
    def endpoint(self) -> str:
        """Of the enclave, as in the registry."""
        return f"{LOOPBACK}:{self.port}"

    def serve(self) -> list[Argument]:
        """Simulate the machine."""
        return serve_command(self.folders, self.name)

    def run(self) -> list[Argument]:
        """Start the enclave. Needs DSTACK_SIMULATOR_ENDPOINT."""
        return [
            *("teetee", "host", "run", "--model", Path(self.kept.model)),
            *("--model-id", str(self.kept.model_id)),
            *("--layers", f"{self.layers.first}-{self.layers.end}"),
            *(["--entry"] if self.layers.first == 0 else []),
            *("--listen", LOOPBACK, "--port", str(self.port)),
            *("--data", self.folders.journals / self.name, *self._wallet()),
        ]

    def fund(self, signer: str) -> list[Argument]:
        """Give an entry ETH: it pays the gas of its settlements."""
        return ["teetee", "wallet", "send", signer, SIGNER_ETHER, "--eth", *self._wallet()]

    def enrol(self) -> list[Argument]:
        """Enrol the enclave."""
        return ["teetee", "host", "enrol", self.endpoint, *self._wallet()]

    def retire(self, shard_id: int) -> list[Argument]:
        """Take the shard out."""
        return ["teetee", "host", "retire", str(shard_id), *self._wallet()]

    def _wallet(self) -> list[Argument]:
        return ["--keystore", Path(self.kept.host_keystore)]


def run(options: HostOptions, console: Console) -> None:
    """Add the host and keep it running. Raises `NoWorldRuns`, `LayersInvalid`, and what its
    processes raise.
    """
    kept = KeptWorld.load(options.directory)
    layers = parse_layers(options.layers, kept.layer_count)
    folders = Folders.join(options.directory)
    supervisor = Supervisor(folders.logs)
    commands = HostCommands(kept, folders, layers, _unused_name(folders, layers), free_port())
    try:
        _print_commands(console, commands)
        shard_id = _start(console, supervisor, commands)
        _keep_running(console, supervisor, commands, shard_id)
    finally:
        supervisor.stop_all()
        folders.close()


def parse_layers(text: str, layer_count: int) -> LayerRange:
    """`8-19` are the layers 8 to 18. Raises `LayersInvalid`."""
    first, separator, end = text.partition("-")
    try:
        layers = LayerRange(int(first), int(end))
    except (ValueError, FieldInvalid):
        raise LayersInvalid(text, layer_count) from None
    if not separator or layers.end > layer_count:
        raise LayersInvalid(text, layer_count)
    return layers


def _unused_name(folders: Folders, layers: LayerRange) -> str:
    name = f"host-{layers.first}-{layers.end}"
    names = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    return next(each for each in names if not (folders.enclaves / each).exists())


def _print_commands(console: Console, commands: HostCommands) -> None:
    socket = socket_of(commands.folders, commands.name)
    console.heading(
        "One more host, by these commands. To call them yourself, open a terminal for each and "
        f"`source {short_path(commands.kept.shell_file)}` there first:"
    )
    console.say(f"  {_text(commands.serve())}")
    console.say(f"  DSTACK_SIMULATOR_ENDPOINT={socket} {_text(commands.run())}")
    if commands.layers.first == 0:
        console.say(f"  {_text(commands.fund('SIGNER'))}   # `teetee host run` prints SIGNER")
    console.say(f"  {_text(commands.enrol())}")
    console.say()


def _start(console: Console, supervisor: Supervisor, commands: HostCommands) -> int:
    """The id of the enrolled shard."""
    with console.phase("machine", "Machine: a simulated TDX guest"):
        start_machines(supervisor, commands.folders, [commands.name])
    with console.phase("enclave", "Enclave: loads its layers"):
        enclave = _start_enclave(supervisor, commands)
        ready = json.loads(enclave.wait_for(is_ready, LOAD_SECONDS, "readiness"))
    with console.phase("enrolment", "Host: bond deposited, quote and platform verified on chain"):
        if commands.layers.first == 0:
            _call(supervisor, commands, commands.fund(str(ready["signer"])))
        shard_id = int(_call(supervisor, commands, commands.enrol())["shardId"])
        enclave.wait_for(lambda line: is_event(line, "serving"), SERVE_SECONDS, '"serving"')
    return shard_id


def _start_enclave(supervisor: Supervisor, commands: HostCommands) -> ServiceProcess:
    socket = socket_of(commands.folders, commands.name)
    variables = {**commands.kept.variables, "DSTACK_SIMULATOR_ENDPOINT": str(socket)}
    argv = [TEETEE, *commands.run()[1:]]
    return supervisor.start(f"oracle-{commands.name}", argv, environment(variables))


def _call(
    supervisor: Supervisor, commands: HostCommands, command: list[Argument]
) -> dict[str, int]:
    """The JSON of a `teetee` command that must succeed."""
    variables = environment(commands.kept.variables)
    argv = [TEETEE, *command[1:], "--json"]
    name = f"teetee-{commands.name}"
    finished = supervisor.run(name, argv, variables, seconds=COMMAND_SECONDS, logs_stdout=True)
    value: dict[str, int] = json.loads(finished.stdout)
    return value


def _keep_running(
    console: Console, supervisor: Supervisor, commands: HostCommands, shard_id: int
) -> None:
    log = short_path(commands.folders.logs / f"oracle-{commands.name}.log")
    layers = f"{commands.layers.first}-{commands.layers.end}"
    console.say(f"Shard {shard_id} serves layers {layers} until Ctrl-C.", "bold")
    console.say(f"  teetee shards   lists it      {log}   its log")
    directory = commands.folders.directory
    threading.Thread(target=_await_world_end, args=(directory, supervisor), daemon=True).start()
    try:
        while (service := supervisor.wait_for_end()) is not None:
            report_end(console, service)
    except Interrupted:
        with console.phase("retire", f"Shard {shard_id}: retired by its host"):
            _call(supervisor, commands, commands.retire(shard_id))
        return
    console.say("The world has stopped, so this host stops too.", "yellow")


def _await_world_end(directory: Path, supervisor: Supervisor) -> None:
    wait_for_release(directory)
    supervisor.wake()


def _text(command: list[Argument]) -> str:
    return shlex.join(short_path(part) if isinstance(part, Path) else part for part in command)
