"""`crm`: runs the whole suite on one machine, and looks at it."""

import argparse
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from local_suite.layout import SERVICES, Problem, RunFolder

if TYPE_CHECKING:
    from chassis.service import Service

    from local_suite.plan import Process

# What each command needs is imported where it runs: `crm serve-all` is started as often as the services are.


def main() -> None:
    """Run a command and leave the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command. Returns 0 if all is well, 1 if it is not, 2 for wrong usage."""
    from embedded.processes import StartFailed

    chosen = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = chosen.command
    try:
        return command(chosen)
    except (Problem, StartFailed) as error:
        print(f"crm: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crm", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(command=function)
        return made

    add("up", _up, "start everything, and wait until it is ready")
    add("down", _down, "stop everything")
    add("stop", _stop, "stop some processes; `up` starts them again").add_argument("processes", nargs="+")
    add("restart", _restart, "stop the suite's own processes and start them again, with the code as it is now")
    add("status", _status, "show what runs")
    add("logs", _logs, "print the ends of the logs").add_argument("processes", nargs="*", metavar="PROCESS")
    add("reset", _reset, "stop everything and delete all data")
    add("env", _env, "print the environment for running a process by hand").add_argument("process", nargs="?")
    trace = add("trace", _trace, "list the latest traces, or show one as a tree")
    trace.add_argument("trace_id", nargs="?", default="", help="the id of a trace, or how it begins")
    events = add("events", _events, "look at the events that handlers gave up on, or hand them over again")
    events.add_argument("--service", choices=SERVICES, help="only this service's handlers")
    events.add_argument("what", choices=("list", "show", "replay"))
    events.add_argument("queue", nargs="?", help="for show and replay: the handler's queue, as `list` prints it")
    events.add_argument("event", nargs="?", help="the id of the event; without it, replay takes all of the queue")
    for name, function, text in (
        ("serve-all", _serve_all, "answer gRPC calls for services, all by default, in this process"),
        ("work-all", _work_all, "handle events, timers and jobs of services in this process"),
    ):
        add(name, function, text).add_argument("services", nargs="*", metavar="SERVICE", default=list(SERVICES))
    prepare = add("prepare", _prepare, "bring all databases up to date, or, once the input ends, make all queues")
    prepare.add_argument("what", nargs="+", choices=("databases", "queues"))
    return parser


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


def _up(arguments: argparse.Namespace) -> int:
    from local_suite import suite
    from local_suite.plan import Options

    # Set by whoever installed the suite just before, whose time counts.
    began = float(os.environ.pop("CRM_SINCE", "") or time.time())
    folder = RunFolder.chosen()
    done = suite.up(folder, Options.from_environment(), _say)
    if done.port_moved:
        _say("the gateway's port is in use by another program; it took the next free one")
    state = "runs already" if done.already else f"is ready after {time.time() - began:.1f} s"
    print(f"\nGuanxi CRM {state}: {done.environment['GATEWAY_URL']}/graphql")
    print(f"Log in as admin with the password {done.environment['BOOTSTRAP_ADMIN_PASSWORD']}")
    if folder.read("sample").get("loaded"):
        print(f"Everybody in the sample company has the password {done.environment['SAMPLE_PASSWORD']}")
    return 0


def _down(arguments: argparse.Namespace) -> int:
    from local_suite import suite

    suite.down(RunFolder.chosen(), _say)
    return 0


def _restart(arguments: argparse.Namespace) -> int:
    from local_suite import running

    folder = RunFolder.chosen()
    with folder.locked():
        running.stop(folder, list(running.started(folder)))
    return _up(arguments)


def _reset(arguments: argparse.Namespace) -> int:
    from local_suite import suite

    suite.reset(RunFolder.chosen(), _say)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from local_suite import status

    text, well = status.table(RunFolder.chosen())
    print(text)
    return 0 if well else 1


def _logs(arguments: argparse.Namespace) -> int:
    folder = RunFolder.chosen()
    known = {path.stem: path for path in sorted(folder.logs.glob("*.log")) if not path.stem.endswith(".1")}
    known |= {name: folder.log(name) for name in ("postgres", "rabbitmq") if folder.log(name).exists()}
    unknown = [name for name in arguments.processes if name not in known]
    if unknown or not known:
        raise Problem(f"there is no log of {', '.join(unknown) or 'anything'}; there are: {', '.join(known) or 'none'}")
    paths = [str(known[name]) for name in arguments.processes or known]
    follow = ["-F"] if os.environ.get("FOLLOW", "") == "1" else []
    return subprocess.run(["tail", "-n", "40", *follow, *paths], check=False).returncode


def _environment(folder: RunFolder) -> dict[str, str]:
    environment = folder.read("environment")
    if not environment:
        raise Problem("the suite was not started yet: run `make up` first")
    return environment


def _env(arguments: argparse.Namespace) -> int:
    from shlex import quote

    folder = RunFolder.chosen()
    told = _environment(folder)
    if arguments.process:
        told = {**told, **_process(folder, arguments.process).environment}
    for name, value in told.items():
        print(f"export {name}={quote(value)}")
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    from local_suite import running

    folder = RunFolder.chosen()
    with folder.locked():
        running.stop(folder, [_process(folder, name).name for name in arguments.processes])
    return 0


def _process(folder: RunFolder, name: str) -> "Process":
    from local_suite import plan

    known = {each.name: each for each in plan.recorded(folder)}
    if name not in known:
        raise Problem(f"there is no process {name!r}; there are: {', '.join(known)}")
    return known[name]


def _trace(arguments: argparse.Namespace) -> int:
    from local_suite import traces

    folder = RunFolder.chosen().traces
    if not arguments.trace_id:
        print("\n".join(traces.latest(folder, 20)) or "no trace was written yet")
        return 0
    found = traces.read(folder, arguments.trace_id)
    if not found:
        raise Problem(f"no trace begins with {arguments.trace_id}; a span is written up to half a second after its end")
    for trace_id, spans in found.items():
        print(f"trace {trace_id}\n  began at      took\n" + "\n".join(traces.tree(spans)))
    return 0


def _events(arguments: argparse.Namespace) -> int:
    from chassis import cli

    os.environ.update(_environment(RunFolder.chosen()))
    # The name of a queue begins with the service whose handler it feeds.
    owner = arguments.service or (arguments.queue or "").partition(".")[0]
    told = [word for word in (arguments.what, arguments.queue, arguments.event) if word]
    return max(cli.run(service, ["events", *told]) for service in _services([owner] if owner else SERVICES))


def _services(names: Sequence[str]) -> "list[Service]":
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        raise Problem(f"there is no service {', '.join(unknown)}; there are: {', '.join(SERVICES)}")
    # What is imported stays: looking for garbage in it is a seventh of the start. A server looks again once it serves;
    # what else is done here is soon over.
    gc.disable()
    return [import_module(f"{name}.main").SERVICE for name in names]


def _serve_all(arguments: argparse.Namespace) -> int:
    from chassis import cli
    from chassis.settings import Settings

    services = _services(arguments.services)
    cli.serve(Settings.read(), services, process_name="serve" if len(services) > 1 else "")
    return 0


def _work_all(arguments: argparse.Namespace) -> int:
    from chassis.bus import launch

    launch.become_worker(arguments.services)
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    from chassis import cli
    from chassis.settings import Settings

    settings, services = Settings.read(), _services(SERVICES)
    if "databases" in arguments.what:
        cli.migrate(settings, services)
    if "queues" in arguments.what:
        sys.stdin.read()
        cli.declare_queues(settings, services)
    return 0
