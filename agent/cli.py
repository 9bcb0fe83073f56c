"""The command `preread`. This module imports only click; every command lives in a module of `agent.commands` that is
imported when it runs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import click

from agent.version import VERSION

# command -> (module below agent.commands, first line of help). The help stands here so that `preread --help` imports
# nothing.
COMMANDS = {
    "serve": ("serve", "Run the line: receive, read, report, deliver."),
    "studies": ("look", "List the studies and where each stands."),
    "show": ("look", "Show one study: its images, its reading, its deliveries, its history."),
    "refusals": ("look", "List what was refused, with the reason and where the bytes lie."),
    "retry": ("mend", "Try a study again: parked deliveries, parked stages, assembly."),
    "echo": ("network", "C-ECHO a peer."),
    "send": ("network", "Send DICOM files or folders to this node, or to a peer."),
    "qc": ("qc", "Send drawn films through the running line and check what comes out."),
    "evaluate": ("evaluate", "Read a folder of labelled films and measure what was found."),
    "read": ("offline", "Read DICOM files here and now, without the line."),
    "doctor": ("doctor", "Check versions, model, disk, database, peers and licences."),
    "settings": ("settings", "Check the settings."),
    "bench": ("bench", "Measure this machine against its peers."),
    "demo": ("demo", "Run the whole line on an embedded PACS and RIS."),
}


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
    traceback."""
    from agent.errors import PrereadError, SettingsError

    try:
        preread.main(prog_name="preread", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        click.echo("aborted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(78)
    except PrereadError as error:
        click.echo(f"{error} [{error.code}]", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
