"""`preread studies`, `show` and `refusals`: what happened to every study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click
from sqlalchemy import Connection

from agent.clock import SystemClock
from agent.commands.common import ago, count, existing_store, print_json, settings_of
from agent.errors import Permanent
from agent.evaluation.qc.state import standing
from agent.imaging.facts import InstanceFacts
from agent.orders.knowledge import known_about
from agent.store import flags, identity, orders, overview, priors, processes, qc, results, trouble, worklist
from agent.store import studies as study_store
from agent.store.engine import Ledger
from agent.store.files import FileStore
from agent.store.processes import is_silent
from structured_report.content import BANNER

_RUN_LASTS = timedelta(days=1)  # the films of a constancy test come after it has begun
_NEWEST = "At most so many, newest first."


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help=_NEWEST)
@click.option(
    "--trouble",
    "only_trouble",
    is_flag=True,
    help="Only what a person should look at: parked or failing, needs attention, not analysed, abstained, no report made.",
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def studies(ctx: click.Context, limit: int, only_trouble: bool, as_json: bool) -> None:
    """List the studies and where each stands."""
    settings = settings_of(ctx)
    ledger, _ = existing_store(settings)
    with ledger.read() as view:
        total = trouble.count_studies(view, only_trouble=only_trouble)
        chosen = trouble.newest_in_trouble(view, limit) if only_trouble else ()
        lines = overview.studies(view, limit=limit, only=chosen) if chosen or not only_trouble else ()
        parked = trouble.parked_deliveries(view, [line.study_instance_uid for line in lines])
        roles = processes.all_processes(view)
        backlog = overview.backlog(view)
        state, words = standing(view, settings.qc, SystemClock().now())
        oldest = min((line.first_received_at for line in lines), default=SystemClock().now())
        drawn = qc.films_since(view, oldest - _RUN_LASTS)
    if as_json:
        rows = [{**asdict(s), "parked": [asdict(p) for p in parked.get(s.study_instance_uid, ())]} for s in lines]
        found = {"studies": rows, "total": total, "processes": [asdict(r) for r in roles], "backlog": backlog}
        print_json(found | {"constancy_test": {"state": state, "words": words}})
        return
    _print_roles(roles)
    click.echo(f"{'!! ' if state == 'bad' else ''}constancy test: {words}\n")
    if not lines:
        click.echo("no study is in trouble" if only_trouble else "no studies yet")
    for line in lines:
        _print_line(line, parked.get(line.study_instance_uid, ()))
        if line.study_instance_uid in drawn:
            click.echo("    a drawn film of the constancy test: nobody waits for it")
    if len(lines) < total:
        click.echo(f"\n{len(lines)} of {total} shown; --limit shows more")


def _print_roles(roles: tuple[processes.ProcessState, ...]) -> None:
    now = SystemClock().now()
    for role in roles:
        state = f"no sign of life, the last was {ago(role.beat_at, now)}" if is_silent(role, now) else role.state
        click.echo(f"{role.role:8} {state}{': ' + role.words if role.words else ''}")


def _print_line(line: overview.StudyLine, parked: Sequence[trouble.Parked]) -> None:
    now = SystemClock().now()
    accession = line.about.get("order", {}).get("accession_number", "") or "-"
    sent = ", ".join(f"{n} {state}" for state, n in sorted(line.deliveries.items())) or "-"
    click.echo(f"{line.study_instance_uid}  accession {accession}")
    click.echo(
        f"    {line.state}, revision {line.revision}, {count(line.images, 'image')}, "
        f"{ago(line.last_received_at, now)}; deliveries: {sent}"
    )
    if line.priority:
        click.echo(f"    {'; '.join((line.priority, *line.reasons))}")
    if line.explanation:
        click.echo(f"    {line.reason}: {line.explanation}")
    if line.error:
        click.echo(f"    trouble: {line.error}")
    for one in parked:
        click.echo(f"    parked: {one.kind.upper()} to {one.destination}: {one.words}")


@click.command()
@click.argument("study")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def show(ctx: click.Context, study: str, as_json: bool) -> None:
    """Show one STUDY: by Study Instance UID, by the end of it, or by accession number."""
    ledger, files = existing_store(settings_of(ctx))
    uid = one_study(ledger, study)
    everything = everything_about(ledger, files, uid)
    if as_json:
        print_json(everything)
    else:
        _print_study(everything)


def one_study(ledger: Ledger, text: str) -> str:
    """The UID of the one study that is meant. Raises `Permanent` when there is none or more than one."""
    text = text.encode(errors="backslashreplace").decode()  # an argument that is no text is no study's
    with ledger.read() as view:
        found = overview.find_study(view, text)
    if not found:
        raise Permanent(f"there is no study {text}; see: preread studies", code="no-such-study")
    if len(found) > 1:
        raise Permanent(f"{text} may mean {len(found)} studies: {', '.join(found)}", code="ambiguous-study")
    return found[0]


def everything_about(ledger: Ledger, files: FileStore, uid: str) -> dict[str, Any]:
    """All that the ledger knows of a study, as JSON values and moments; paths are absolute."""
    everything = _rows_about(ledger, uid)
    for row in (*everything["documents"], *everything["deliveries"], *everything["images"]):
        row["path"] = str(files.path(row["path"]))
    return everything


def _rows_about(ledger: Ledger, uid: str) -> dict[str, Any]:
    with ledger.read() as view:
        (line,) = overview.studies(view, only=[uid])
        revision = study_store.newest_revision(view, uid)
        images = () if revision is None else study_store.images_of_revision(view, revision.id)
        reading = None if revision is None else results.reading_of(view, revision.id)
        flag = None if revision is None else flags.flag_of(view, revision.id)
        replies = () if revision is None else flags.replies_of(view, revision.id)
        search = None if revision is None else priors.search_of(view, revision.id)
        answer = worklist.answer_of(view, uid)
        unsettled = revision is None or line.state in ("receiving", study_store.NEEDS_ATTENTION)
        return {
            "study": asdict(line),
            "received": [_identity(i) for i in study_store.images_of(view, uid)] if unsettled else [],
            "images": [
                {"sop_instance_uid": i.sop_instance_uid, "version": i.version, "path": i.path, **_use(u)}
                for i, u in images
            ],
            "flag": None if flag is None else asdict(flag),
            "reading": None if reading is None else asdict(reading),
            "replies": [asdict(r) for r in replies],
            "prior": None if search is None else _prior(search),
            "worklist": None if answer is None else asdict(answer),
            "identity": _identity_of(view, uid),
            "messages": identity.messages_about(view, uid),
            "documents": overview.documents(view, uid),
            "deliveries": overview.deliveries(view, uid),
            "history": overview.history(view, uid),
        }


def _identity_of(view: Connection, uid: str) -> dict[str, Any]:
    """How the study got its patient and its order, and what keeps its results from being sent."""
    match = orders.match_of(view, uid)
    wanted = [] if match is None else [*match.candidates, *filter(None, [match.order_id])]
    decision = orders.decisions_of(view, [uid]).get(uid)
    return {
        "match": None if match is None else asdict(match),
        "orders": [asdict(o) for o in orders.orders_by(view, ids=wanted)],
        "also_fits": [] if match is None or match.doubt != "order-of-two-studies" else _also_fits(view, uid, wanted),
        "decision": None if decision is None else asdict(decision),
        "stops": identity.stops_of(view, uid),
        "unsettled": identity.is_unsettled(view, uid),
    }


def _also_fits(view: Connection, uid: str, order_ids: Sequence[int]) -> list[str]:
    """UIDs of the other studies that one of these orders may belong to, or was given to."""
    facts = [InstanceFacts.from_json(i.facts) for i in study_store.images_of(view, uid)]
    rivals = {r.study_instance_uid for r in known_about(view, uid, facts).rivals}
    matches = [m for m in (orders.match_of(view, other) for other in sorted(rivals)) if m is not None]
    return [m.study_instance_uid for m in matches if {m.order_id, *m.candidates} & set(order_ids)]


def _prior(search: priors.Search) -> dict[str, Any]:
    """What became of the search for an earlier film."""
    found = None if search.prior is None else {k: v for k, v in asdict(search.prior).items() if k != "facts"}
    return {
        "outcome": search.outcome or "under way",
        "deadline_at": search.deadline_at,
        "remarks": list(search.remarks),
        "used": search.used,
        "image": found,
    }


def _identity(image: study_store.StoredImage) -> dict[str, Any]:
    """Whose an image says it is: where the images of a study disagree, a person has to see which one is wrong."""
    facts = InstanceFacts.from_json(image.facts)
    return {
        "sop_instance_uid": image.sop_instance_uid,
        "patient_id": facts.patient_id,
        "issuer_of_patient_id": facts.issuer_of_patient_id,
        "patient_name": facts.patient_name,
        "patient_birth_date": facts.patient_birth_date,
        "accession_number": facts.accession_number,
    }


def _use(use: study_store.Use) -> dict[str, Any]:
    return {"used": use.used, "role": use.role, "reason": use.reason, "explanation": use.explanation}


def _print_study(everything: dict[str, Any]) -> None:
    line, reading = everything["study"], everything["reading"]
    order = line["about"].get("order", {})
    click.echo(f"Study {line['study_instance_uid']}")
    click.echo(f"Accession {order.get('accession_number') or '-'}; state {line['state']}, revision {line['revision']}")
    if line["explanation"]:
        click.echo(f"{line['reason']}: {line['explanation']}")
    if line["error"]:
        click.echo(f"trouble: {line['error']}")
    if everything["received"]:
        click.echo("\nReceived, and not settled yet")
    for image in everything["received"]:
        whose = [image[k] or "-" for k in ("patient_id", "issuer_of_patient_id", "patient_name", "patient_birth_date")]
        click.echo(f"  {image['sop_instance_uid']}  {' | '.join(whose)}  accession {image['accession_number'] or '-'}")
    click.echo("\nImages")
    for image in everything["images"]:
        use = f"read as {image['role']}" if image["used"] else "not read"
        click.echo(f"  {image['sop_instance_uid']}  {use}: {image['explanation']} [{image['reason']}]")
    if everything["prior"] is not None:
        _print_prior(everything["prior"])
    _print_identity(everything["identity"], everything["messages"])
    if everything["worklist"] is not None:
        click.echo(f"\nWorklist: {everything['worklist']['words']}")
    if everything["flag"] is not None:
        _print_flag(everything["flag"])
    if reading is not None:
        _print_reading(reading)
    click.echo("\nDeliveries")
    for sent in everything["deliveries"]:
        click.echo(
            f"  {sent['kind'].upper():4} of revision {sent['revision']} to {sent['destination']}: {sent['state']} "
            f"after {count(sent['attempts'], 'attempt')}; {sent['words']}"
        )
        click.echo(f"       {sent['path']}")
    for made in (d for d in everything["documents"] if not d["deliveries"]):
        click.echo(f"  {made['kind'].upper():4} of revision {made['revision']} kept here, for nobody: {made['path']}")
    click.echo("\nHistory")
    for event in everything["history"]:
        click.echo(f"  {event['at']:%Y-%m-%d %H:%M:%S} UTC  {event['stage']:9} {event['code']}  {event['words']}")


def _print_identity(known: dict[str, Any], messages: Sequence[dict[str, Any]]) -> None:
    match = known["match"]
    if match is not None and (match["order_id"] or match["candidates"]):
        click.echo(f"\nOrder: {'none' if match['order_id'] is None else _order_words(match)}")
        for order in known["orders"]:
            whose = [order["patient"][k] or "-" for k in ("patient_id", "issuer", "name", "birth_date")]
            numbers = [order[f"{k}_number"] or "-" for k in ("accession", "placer_order", "filler_order")]
            click.echo(
                f"  order {order['id']} ({order['state']}, {order['source']}): accession, placer, filler {' | '.join(numbers)}; "
                f"{' | '.join(whose)}; scheduled {order['scheduled_at'] or '-'}"
            )
    for other in known["also_fits"]:
        click.echo(f"  it may also be that of study {other}")
    for one in [] if match is None else match["overlays"]:
        click.echo(
            f"  {one['attribute']}: {one['was'] or '-'} in the images, {one['now']} by message {one['message_id']}"
        )
    if known["decision"] is not None:
        click.echo(
            f"  decided by hand on {known['decision']['decided_at']:%Y-%m-%d %H:%M} UTC: {known['decision']['reason']}"
        )
    for kind, words in known["stops"].items():
        click.echo(f"  {kind}: {words}")
    if known["unsettled"]:
        click.echo("  something was heard about this study and is being weighed; nothing leaves meanwhile")
    if messages:
        click.echo("\nMessages")
    for message in messages:
        click.echo(
            f"  {message['id']}  {message['received_at']:%Y-%m-%d %H:%M:%S} UTC  {message['type']} {message['state']}: {message['words']}"
        )


def _order_words(match: dict[str, Any]) -> str:
    return f"{match['order_id']}, matched by {match['how'].removeprefix('by ')}"


def _print_prior(prior: dict[str, Any]) -> None:
    image = prior["image"]
    what = f"; {image['sop_instance_uid']} from {image['source']}" if image else ""
    state = {True: "; the model was shown it", False: "; the model was not shown it", None: ""}[prior["used"]]
    click.echo(f"\nEarlier film: {prior['outcome']}{what}{state if image else ''}")
    for remark in prior["remarks"]:
        click.echo(f"  {remark}")


def _print_flag(flag: dict[str, Any]) -> None:
    said = flag["trouble"] or "; ".join((flag["priority"], *flag["reasons"]))
    click.echo(f"\nFlag after {flag['seconds']:.1f} s: {said}")
    for one in flag["probabilities"]:
        how = f"calibrated by {one['calibration']}" if one["calibration"] else "uncalibrated"
        click.echo(f"  {one['concept']}: {one['value']:.2f} ({how})")


def _print_reading(reading: dict[str, Any]) -> None:
    click.echo(f"\n{BANNER}")
    made_by = reading["provenance"]
    click.echo(
        f"Outcome: {reading['outcome']}; {made_by['model_name']}, {made_by['quantization'] or 'no model'}, "
        f"weights {made_by['weights_digest'][:12] or '-'}, prompt {made_by['prompt_id'] or '-'}, {reading['seconds']:.1f} s"
    )
    if reading["priority"]:
        click.echo(f"Triage: {'; '.join((reading['priority'], *reading['reasons']))}")
    for title, name in (
        ("Findings", "draft"), ("Impression", "impression"), ("Comparison", "comparison"), ("Reasoning trace", "reasoning"),
    ):  # fmt: skip
        if reading[name]:
            click.echo(f"\n{title}\n{reading[name]}")
    if reading["findings"]:
        click.echo("\nCoded findings")
        for finding in reading["findings"]:
            details = [finding[k] for k in ("laterality", "severity", "place") if finding.get(k)]
            click.echo(f"  {finding['concept']}: {', '.join((finding['presence'], *details))}")
    for region in reading["regions"]:
        box = ", ".join(f"{region[k]:.0f}" for k in ("x0", "y0", "x1", "y1"))
        click.echo(
            f"  {region['concept']} {region['laterality'] or ''} in columns and rows {box} of {region['sop_instance_uid']}"
        )
    for verdict in reading["verdicts"]:
        click.echo(f"check {verdict['code']} ({verdict['effect']}): {verdict['sentence']}")
    for remark in reading["notes"]:
        click.echo(f"note: {remark}")


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help=_NEWEST)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def refusals(ctx: click.Context, limit: int, as_json: bool) -> None:
    """List what was refused: why, which SOP Instance where that is known, and where the bytes lie."""
    ledger, files = existing_store(settings_of(ctx))
    with ledger.read() as view:
        rows = overview.refusals(view, limit=limit)
        total = trouble.count_refusals(view)
    for row in rows:
        row["path"] = str(files.path(row["path"])) if row["path"] else ""
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo("nothing was refused")
    for row in rows:
        about = "".join(f"\n    {row[key]}" for key in ("sop_instance_uid", "path") if row[key])
        status = f" {row['status']}" if row["status"] else ""
        click.echo(
            f"{row['at']:%Y-%m-%d %H:%M:%S} UTC  {row['what']}{status} {row['reason']}: {row['comment']} "
            f"(from {row['calling_ae_title'] or '-'} at {row['address']}, called {row['called_ae_title'] or '-'}){about}"
        )
    if len(rows) < total:
        click.echo(f"\n{len(rows)} of {total} shown; --limit shows more")
