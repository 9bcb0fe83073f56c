"""`preread retry`, `withdraw`, `hold`, `release` and `reread`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import click

from agent.clock import SystemClock
from agent.commands.common import count, existing_store, print_json, settings_of
from agent.commands.look import one_study
from agent.mending import holding, rereading, retrying, withdrawing
from agent.mending.hand import Hand, one_line
from agent.mending.rereading import Reread
from agent.store import overview


def _hand(ctx: click.Context) -> Hand:
    settings = settings_of(ctx)
    ledger, files = existing_store(settings)
    return Hand.of(settings, ledger, files, SystemClock())


@click.command()
@click.argument("study")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def retry(ctx: click.Context, study: str, as_json: bool) -> None:
    """Try a STUDY again: parked and waiting deliveries at once, parked stages from where they stopped, and assembly. A
    study that was abstained from is read again, as a new revision.

    Nothing that a destination has acknowledged is sent again.
    """
    hand = _hand(ctx)
    uid = one_study(hand.ledger, study)
    found = retrying.retry(hand, uid)
    idle = list(found.not_running)
    done = {
        "study": uid,
        "deliveries": found.deliveries,
        "stages": found.stages,
        "read_again": found.read_again,
        "not_running": idle,
    }
    if as_json:
        print_json(done)
        return
    when = "as soon as the office runs" if "office" in idle else "now"
    click.echo(
        f"{uid}: {count(found.deliveries, 'delivery')} and {count(found.stages, 'stage')} will be tried again {when}"
    )
    if found.read_again:
        click.echo("it will be read again, as a new revision")
    if idle:
        who = f"{' and '.join(idle)} {'do' if len(idle) > 1 else 'does'} not run"
        click.echo(f"note: {who}, so what is theirs to do waits: preread serve")


@click.command()
@click.argument("study")
@click.option("--reason", required=True, help="Why, in your words. Everybody who has the result is told.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def withdraw(ctx: click.Context, study: str, reason: str, as_json: bool) -> None:
    """Take back the result of a STUDY: the RIS is told that it was wrong, the archive gets a report that supersedes it and
    says why, and what waits never leaves.

    It stays withdrawn, whatever images come later, until: preread reread
    """
    hand = _hand(ctx)
    uid = one_study(hand.ledger, study)
    done = withdrawing.withdraw(hand, uid, one_line(reason))
    idle = [] if done.now else ["office"]
    if as_json:
        print_json({"study": uid, "withdrawn": True, "not_running": idle, "not_told": list(done.not_told)})
        return
    click.echo(f"{uid}: withdrawn; whoever has a result of it is told {'as soon as the line runs' if idle else 'now'}")
    if idle:
        click.echo("note: office does not run, so nobody is told yet: preread serve")
    if done.not_told:
        click.echo(f"note: {withdrawing.who_is_not_told(done.not_told)}", err=True)


@click.command()
@click.argument("study")
@click.option("--reason", required=True, help="Why, in your words; kept in the history of the study.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def hold(ctx: click.Context, study: str, reason: str, as_json: bool) -> None:
    """Hold the results of a STUDY back: nothing of it leaves, whatever is read or heard of it, until: preread release

    What a destination has already stays there; to take it back: preread withdraw
    """
    hand = _hand(ctx)
    uid = one_study(hand.ledger, study)
    held = holding.hold(hand, uid, one_line(reason))
    if as_json:
        print_json({"study": uid, "held": True, "deliveries": held})
        return
    click.echo(
        f"{uid}: held; {count(held, 'delivery')} held back, and nothing more leaves until: preread release {uid}"
    )


@click.command()
@click.argument("study")
@click.option("--reason", required=True, help="Why, in your words; kept in the history of the study.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def release(ctx: click.Context, study: str, reason: str, as_json: bool) -> None:
    """Let the results of a STUDY go that was held by hand. What is held for another reason, a doubt about the patient or a
    cancelled order, stays."""
    hand = _hand(ctx)
    uid = one_study(hand.ledger, study)
    due = holding.release(hand, uid, one_line(reason))
    if as_json:
        print_json({"study": uid, "held": False, "deliveries": due})
        return
    click.echo(f"{uid}: not held any more; {count(due, 'delivery')} will be made")


@click.command()
@click.argument("study", required=False)
@click.option(
    "--since",
    type=click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="Every study that arrived since then, local time of this machine, but not what is withdrawn.",
)
@click.option("--reason", default="", help="Why, in your words; kept in the history of the study.")
@click.option("--yes", is_flag=True, help="Do not ask. Without it, --since only counts and asks.")
@click.option("--json", "as_json", is_flag=True, help="For scripts; with --since it counts, unless --yes is given.")
@click.pass_context
def reread(
    ctx: click.Context, study: str | None, since: datetime | None, reason: str, yes: bool, as_json: bool
) -> None:
    """Read a STUDY anew: the same images, the model of today, as a new revision that supersedes the one before. A withdrawn
    study comes back by this, and by nothing else."""
    if (study is None) == (since is None):
        raise click.UsageError("name a STUDY, or --since DATE, and not both")
    hand = _hand(ctx)
    if study is not None:
        wanted = [one_study(hand.ledger, study)]
    else:
        assert since is not None
        with hand.ledger.read() as view:
            wanted = overview.read_since(view, since.astimezone())
        if not yes and (as_json or not click.confirm(f"{len(wanted)} studies would be read anew. Do it?")):
            if as_json:
                print_json({"studies": wanted, "read_again": [], "back_unread": [], "not_read": []})
            return
    became = rereading.reread(hand, wanted, one_line(reason))
    if as_json:
        print_json({"studies": wanted, **asdict(became)})
    else:
        _say_what_is_read(became)
    if study is not None and became.not_read:
        raise click.exceptions.Exit(1)


def _say_what_is_read(became: Reread) -> None:
    again, back = became.read_again, became.back_unread
    if again or not back:
        click.echo(
            f"{len(again)} {'study' if len(again) == 1 else 'studies'} will be read anew, each as a new revision"
        )
    for uid in back:
        click.echo(f"{uid}: not withdrawn any more; none of its images can be read, and that is reported anew")
    for uid in became.not_read:
        click.echo(
            f"{uid}: cannot be read: it was never assembled, its images disagree or were let go, or none of them is readable",
            err=True,
        )
