"""
Declarations of the commands ``airflow learning360 …`` (Airflow 3.2 and later) and ``airflow-learning360 …``.

Airflow imports this module at every command, so :mod:`.commands`, which runs them, is imported when one runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_360learning.connections.form import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from airflow.cli.cli_config import GroupCommand

GROUP = "learning360"
PROGRAM = "airflow-learning360"
_HELP = "Tools of the provider for 360Learning"
_COMMANDS_MODULE = "airflow_provider_360learning.cli.commands"


class Option(NamedTuple):
    """
    An option of a command.

    :param flag: Such as ``--port``; without dashes, the name of a positional argument.
    :param settings: Keyword arguments of :meth:`argparse.ArgumentParser.add_argument`, whose values have many types.
    """

    flag: str
    settings: Mapping[str, Any]


class Command(NamedTuple):
    """
    A command, run by the function of its name in :mod:`.commands`.

    :param name: Its name.
    :param help: One line of help.
    :param options: Its options.
    """

    name: str
    help: str
    options: tuple[Option, ...] = ()


COMMANDS = (
    Command(
        "sandbox",
        "Run a local server that stands in for 360Learning, for development and tests",
        (
            Option(
                "--host",
                {"default": "127.0.0.1", "help": "Address to listen on, in 127.0.0.0/8 (%(default)s)"},
            ),
            Option(
                "--port",
                {"type": int, "default": 3600, "help": "Port to listen on, 0 for a free one (%(default)s)"},
            ),
            Option(
                "--url-file",
                {
                    "help": "File of the control URL: written when the server is ready, "
                    "read by --add-api-key and --revoke-api-key"
                },
            ),
            Option(
                "--seed",
                {
                    "default": "demo",
                    "metavar": "COMPANY",
                    "help": "Company to start with: demo, empty, or a YAML or JSON file of one (%(default)s)",
                },
            ),
            Option(
                "--state",
                {
                    "metavar": "FILE",
                    "help": "File that the company is loaded from, if it exists, and saved to when the sandbox stops",
                },
            ),
            Option(
                "--settings",
                {"type": json.loads, "default": {}, "metavar": "JSON", "help": "Settings to change"},
            ),
            Option(
                "--add-api-key",
                {
                    "action": "store_true",
                    "help": "Add an API key to the running sandbox of --url-file, print it, and exit",
                },
            ),
            Option(
                "--revoke-api-key",
                {
                    "metavar": "KEY",
                    "help": "Revoke an API key of the running sandbox of --url-file, and exit",
                },
            ),
        ),
    ),
    Command(
        "check",
        "Check connection, pool, rate limiter and access to the API; exit with status 1 if one of them fails",
        (
            Option(
                "--conn-id",
                {"default": DEFAULT_CONN_ID, "help": "Connection to check (%(default)s)"},
            ),
            Option(
                "--scopes",
                {
                    "action": "store_true",
                    "help": "Also list the OAuth scopes that operators and sensors need, and which ones the "
                    "credentials have",
                },
            ),
        ),
    ),
    Command("pool", "Create the shared pool if it is missing, and print its state"),
    Command(
        "operations",
        "List the operations of the API, which Learning360Operator and the hook call by name, with their parameters",
        (
            Option(
                "word",
                {"nargs": "?", "metavar": "WORD", "help": "Word in name, path or summary"},
            ),
            Option("--api-version", {"choices": ["v1", "v2"], "help": "List one version only (default: both)"}),
        ),
    ),
    Command(
        "migrate",
        "List what API v2 refuses or needs in the tasks of DAGs; exit with status 1 if anything must change",
        (Option("dags_folder", {"metavar": "DAGS_FOLDER", "help": "Folder of DAG files, or one file"}),),
    ),
)


def get_cli_commands() -> list[GroupCommand]:
    """Return the commands for Airflow (key ``cli`` of the provider info)."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand, lazy_load_command

    subcommands = [
        ActionCommand(
            name=command.name,
            help=command.help,
            func=lazy_load_command(f"{_COMMANDS_MODULE}.{command.name}"),
            args=[Arg((option.flag,), **option.settings) for option in command.options],  # type: ignore[no-untyped-call]
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name=GROUP, help=_HELP, subcommands=subcommands)]


def main(argv: Sequence[str] | None = None) -> None:
    """
    Run the console script.

    :param argv: The arguments; by default those of the process.
    """
    parser = argparse.ArgumentParser(prog=PROGRAM, description=_HELP)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        for option in command.options:
            subparser.add_argument(option.flag, **option.settings)
    args = parser.parse_args(argv)
    getattr(import_module(_COMMANDS_MODULE), args.command)(args)


if __name__ == "__main__":
    main()
