"""The command line: ``airflow learning360 …`` (Airflow 3.2 and later) and ``airflow-learning360 …``.

Declarations only, since Airflow imports this module at every command; :mod:`.commands` does the work.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from airflow.cli.cli_config import GroupCommand

GROUP = "learning360"
PROGRAM = "airflow-learning360"
_HELP = "Tools of the provider for 360Learning"
_WORK = "airflow_provider_360learning.cli.commands"


class Option(NamedTuple):
    """An option of a command: its flag and how argparse takes it."""

    flag: str
    settings: dict[str, Any]


class Command(NamedTuple):
    """A command; the function of its name in :mod:`.commands` runs it."""

    name: str
    help: str
    options: tuple[Option, ...] = ()


COMMANDS = (
    Command(
        "sandbox",
        "Run a stand-in 360Learning on this machine, to develop and test against",
        (
            Option(
                "--host",
                {"default": "127.0.0.1", "help": "Address to listen on, of 127.0.0.0/8 (%(default)s)"},
            ),
            Option(
                "--port",
                {"type": int, "default": 3600, "help": "Port to listen on, 0 for a free one (%(default)s)"},
            ),
            Option("--port-file", {"help": "File to write the port to when ready"}),
            Option(
                "--seed",
                {"choices": ["demo", "empty"], "default": "demo", "help": "Company to start with (%(default)s)"},
            ),
            Option(
                "--settings",
                {"type": json.loads, "default": {}, "metavar": "JSON", "help": "Settings to change"},
            ),
        ),
    ),
    Command(
        "check",
        "RowChecker connection, pool, rate budget and the way to the API; the exit status is 1 if one fails",
        (
            Option(
                "--conn-id",
                {"default": "learning360_default", "help": "Connection to check (%(default)s)"},
            ),
        ),
    ),
    Command("pool", "Create the shared pool if it is missing, and say how it stands"),
)


def get_cli_commands() -> list[GroupCommand]:
    """Give the commands to Airflow (key ``cli`` of the provider info)."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    subcommands = [
        ActionCommand(
            name=command.name,
            help=command.help,
            func=lazy_load_command(f"{_WORK}.{command.name}"),
            args=[Arg((option.flag,), **option.settings) for option in command.options],  # type: ignore[no-untyped-call]
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name=GROUP, help=_HELP, subcommands=subcommands)]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the console script.

    :param argv: the arguments, by default those of the process
    """
    parser = argparse.ArgumentParser(prog=PROGRAM, description=_HELP)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        for option in command.options:
            subparser.add_argument(option.flag, **option.settings)
    args = parser.parse_args(argv)
    getattr(import_module(_WORK), args.command)(args)


if __name__ == "__main__":
    main()
