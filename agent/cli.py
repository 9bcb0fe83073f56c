"""The command `preread`. This module imports only click; every command lives in a module of `agent.commands` that is
imported when it runs."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import click

from agent.version import VERSION

# command -> (module below agent.commands, first line of help). The help stands here so that `preread --help` imports
# nothing.
COMMANDS = {
    "serve": ("serve", "Run the line: receive, read, report, deliver."),
    "studies": ("look", "List the studies and where each stands."),
    "show": ("look", "Show one study: its images, its reading, its deliveries, its history."),
    "preview": ("preview", "Show exactly what a destination gets about one study, or got."),
    "refusals": ("look", "List what was refused, with the reason and where the bytes lie."),
    "retry": ("mend", "Try a study again: parked deliveries, parked stages, assembly."),
    "withdraw": ("mend", "Take a result back: from the RIS, from the archive, and from what waits."),
    "hold": ("mend", "Hold the results of a study back until a person releases them."),
    "release": ("mend", "Let the results of a study go that was held by hand."),
    "reread": ("mend", "Read a study, or all since a date, anew with the model of today."),
    "match": ("identity", "Say which order a study belongs to, where that is in doubt."),
    "messages": ("identity", "List the messages about orders and patients, and what became of them."),
    "echo": ("network", "C-ECHO a peer."),
    "send": ("network", "Send DICOM files or folders to this node, or to a peer."),
    "qc": ("qc", "Send drawn films through the running line and check what comes out."),
    "evaluate": ("evaluate", "Read a folder of labelled films and measure what was found."),
    "read": ("offline", "Read DICOM files here and now, without the line."),
    "doctor": ("doctor", "Check versions, model, disk, database, peers and licences."),
    "backup": ("backup", "Back up the ledger, the images and the documents, while the line runs."),
    "restore": ("backup", "Bring back what a backup holds."),
    "move": ("move", "Move the ledger from its file to a PostgreSQL server."),
    "reconcile": ("reconcile", "Compare what a PACS has with what is known here, and mend the difference."),
    "purge": ("purge", "Take a study out of this node for good."),
    "audit": ("audit", "The audit trail: list it, and prove that it is whole."),
    "users": ("users", "Who may use the pages: add and list people."),
    "tokens": ("tokens", "Tokens of programs that call the JSON interface: add, list, revoke."),
    "certs": ("certs", "Make certificates for a pilot: an authority of its own, and one for each node."),
    "settings": ("settings", "Check the settings."),
    "reload": ("reload", "Take up changed peers and destinations while the line runs."),
    "bench": ("bench", "Measure this machine against its peers."),
    "demo": ("demo", "Run the whole line on an embedded PACS and RIS."),
}

EXIT_SETTINGS = 78  # EX_CONFIG: every line says file, key and what is allowed, and needs no code


class _Lazy(click.Group):
    """Finds a command by name and imports its module only then: `preread --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"agent.commands.{COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="preread")
@click.option(
    "--settings",
    "settings_path",
    type=click.Path(path_type=Path),
    help="Settings file; default ./settings.toml or /etc/preread/settings.toml.",
)
@click.pass_context
def preread(ctx: click.Context, settings_path: Path | None) -> None:
    """An automatic, always unverified first read of chest X-rays.

    DICOM images in; a Structured Report and an HL7 ORU out. Not a medical device.
    """
    ctx.obj = settings_path


def main() -> None:
    """Run the command; an error of ours is a sentence and exit status 1 (78 when nothing can be started), never a
    traceback. With ``--json`` it is an object on standard output, too."""
    from agent.errors import PrereadError, SettingsError

    arguments = sys.argv[1:]
    _any_text_can_be_printed()
    try:
        _refuse_empty(arguments)
        preread.main(args=arguments, prog_name="preread", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        click.echo("aborted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        said = _where_it_goes(error)
        _fail(arguments, said.format_message(), "usage", said.exit_code, show=said.show)
    except SettingsError as error:
        _fail(arguments, str(error), error.code, EXIT_SETTINGS)
    except PrereadError as error:
        _fail(arguments, str(error), error.code, 1)
    except OSError as error:
        _fail(arguments, _words_about(error), "input-output", 1)


def _where_it_goes(error: click.ClickException) -> click.ClickException:
    """The mistake in words that help: the settings are those of every command."""
    if isinstance(error, click.NoSuchOption) and error.option_name == "--settings":
        return click.UsageError("--settings goes before the command: preread --settings FILE COMMAND", error.ctx)
    return error


def _refuse_empty(arguments: Sequence[str]) -> None:
    """An empty argument is a script's variable with nothing in it; it must not be taken for "here" or for "any"."""
    for number, argument in enumerate(arguments, 1):
        option = argument if argument.startswith("--") and argument.endswith("=") else ""
        if not argument.strip() or option:
            where = option.rstrip("=") or f"argument {number}"
            raise click.UsageError(f"{where} is empty; give it a value, or leave it out")


def _any_text_can_be_printed() -> None:
    """In a locale without the character, or a file name that is no text at all, the escape stands for it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a stream that was closed by the caller is None
            stream.reconfigure(errors="backslashreplace")


def _fail(
    arguments: Sequence[str], words: str, code: str, status: int, show: Callable[[], object] | None = None
) -> NoReturn:
    """Say it to the person and, with ``--json``, to the script; then leave with that exit status."""
    try:
        if "--json" in arguments:
            click.echo(json.dumps({"error": {"code": code, "message": words, "exit_status": status}}, indent=2))
        if show is not None:
            show()
        else:
            click.echo(words if status == EXIT_SETTINGS else f"{words} [{code}]", err=True)
    except OSError:
        _say_where_it_is_heard(words)
    _forget_output()
    sys.exit(status)


def _words_about(error: OSError) -> str:
    """What the system refused: a file by its name, or else the output."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return f"the output cannot be written ({error.strerror or error}); is the disk full, or its reader gone?"


def _say_where_it_is_heard(words: str) -> None:
    """Standard output is lost; standard error may not be."""
    with contextlib.suppress(OSError):
        click.echo(words, err=True)


def _forget_output() -> None:
    """What could not be written is in a buffer still; the interpreter would fail on it again as it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


if __name__ == "__main__":
    main()
