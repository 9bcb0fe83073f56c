"""Whatever a RIS does to a message, and to its answer: the result is there, or still on its way, or a person is told; and it
is filed once.

The ledger's delivery is what is looked at, and what came over the wire to a RIS that follows a script.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.hl7.ack import NotAnAck, Verdict, judge, parse_ack
from agent.hl7.mllp import CR, END, MAX_FRAME, START, MllpClient
from structured_report.content import Outcome
from tests.support.scripted_ris import (
    ScriptedRis,
    Step,
    ack,
    answers,
    closes_after_the_message,
    closes_at_once,
    err,
    framed,
    is_silent,
    sends,
    sends_and_closes,
)
from tests.support.sending import Sending, later, of_another_study
from tests.support.site import PATIENCE_S

DELIVERED, WAITING, PARKED = "delivered", "waiting", "parked"
LATIN = b"MSH|^~\\&|RIS|HOSP|A|B|20260103||ACK|RIS1|P|2.5.1||||||8859/1"
UNSAID = b"MSH|^~\\&|RIS|HOSP|A|B|20260103||ACK|RIS1|P|2.3"
OTHER_SEPARATORS = b"MSH#*!\\&#RIS#HOSP#A#B#20260103##ACK#RIS1#P#2.5.1"


@contextmanager
def sending(
    folder: Path, *steps: Step, timeout_s: float = PATIENCE_S, **ris: object
) -> Iterator[tuple[Sending, ScriptedRis]]:
    with ScriptedRis(*steps) as peer:
        site = Sending(folder, peer.port, timeout_s=timeout_s, **ris)
        yield site, peer
        site.close()


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that a RIS may do, what the ledger says after it, and words that must be among what it says."""

    name: str
    does: Step
    state: str
    words: str
    quick: bool = False  # it is found out by waiting: not for long, then

    def __str__(self) -> str:
        return self.name


def whole(own: bytes, *more: str) -> bytes:
    return framed(ack("AA", own, *more))


FRAMES = [
    Case("one packet", answers("AA"), DELIVERED, "MSA|AA|"),
    Case("a packet a byte", sends(lambda own: [bytes([b]) for b in whole(own)]), DELIVERED, "MSA|AA|"),
    Case("split in the frame's end", sends(lambda own: [whole(own)[:-1], CR]), DELIVERED, "MSA|AA|"),
    Case("split in the control id", sends(lambda own: whole(own).partition(own[:5])), DELIVERED, "MSA|AA|"),
    Case("no CR after FS", sends(lambda own: [whole(own)[:-1]]), DELIVERED, "MSA|AA|"),
    Case("CR LF after FS", sends(lambda own: [whole(own) + b"\n"]), DELIVERED, "MSA|AA|"),
    Case("noise before VT", sends(lambda own: [b"\r\n\x00noise\x1c\r", whole(own)]), DELIVERED, "MSA|AA|"),
    Case("the same answer twice in a packet", sends(lambda own: [whole(own) * 2]), DELIVERED, "MSA|AA|"),
    Case("a frame that does not end, then one", sends(lambda own: [whole(own)[:-2] + whole(own)]), DELIVERED, "MSA|AA|"),
    Case(
        "another's answer that does not end, then ours",
        sends(lambda own: [START + ack("AR", b"OTHER") + whole(own)]), DELIVERED, "MSA|AA|",
    ),
    Case("a late answer first", sends(lambda own: [whole(b"EARLIER"), whole(own)]), DELIVERED, "MSA|AA|"),
    Case("a late refusal of another first", sends(lambda own: [framed(ack("AR", b"OLD")) + whole(own)]), DELIVERED, "MSA|AA|"),
    Case("it closes after the answer", sends_and_closes(lambda own: [whole(own)]), DELIVERED, "MSA|AA|"),
    Case("LF segment ends", sends(lambda own: [whole(own, "NTE|1||x").replace(b"\r", b"\n")]), DELIVERED, "MSA|AA|"),
    Case("CR LF segment ends", sends(lambda own: [framed(ack("AA", own).replace(b"\r", b"\r\n"))]), DELIVERED, "MSA|AA|"),
    Case("a byte order mark", sends(lambda own: [framed(b"\xef\xbb\xbf" + ack("AA", own))]), DELIVERED, "MSA|AA|"),
    Case(
        "separators of its own",
        sends(lambda own: [framed(ack("AA", own, header=OTHER_SEPARATORS).replace(b"|", b"#"))]), DELIVERED, "MSA|AA|",
    ),
    Case("blanks around the control id", sends(lambda own: [whole(b" " + own + b" ")]), DELIVERED, "MSA|AA|"),
    Case("close before the message", closes_at_once, WAITING, "before it acknowledged"),
    Case("close after the message", closes_after_the_message, WAITING, "before it acknowledged"),
    Case("close in the answer", sends_and_closes(lambda own: [whole(own)[:-12]]), WAITING, "before it acknowledged"),
    Case("close before the FS", sends_and_closes(lambda own: [whole(own)[:-2]]), WAITING, "before it acknowledged"),
    Case("silence", is_silent, WAITING, "did not acknowledge", quick=True),
    Case("an answer that does not end", sends(lambda own: [whole(own)[:-2]]), WAITING, "did not end it", quick=True),
    Case("no frame at all", sends(lambda own: [ack("AA", own)]), WAITING, "no MLLP frame", quick=True),
    Case("another control id", answers("AA", control_id=b"OTHER"), WAITING, "MSA-2 OTHER", quick=True),
    Case("a longer control id", sends(lambda own: [whole(own + b"1")]), WAITING, "did not acknowledge", quick=True),
    Case("a shorter control id", sends(lambda own: [whole(own[:-1])]), WAITING, "did not acknowledge", quick=True),
    Case("an answer over a mebibyte", sends(lambda own: [START, b"x" * (MAX_FRAME + 1)]), WAITING, "without an end"),
    Case("an answer of nearly a mebibyte", sends(lambda own: [whole(own, "NTE|" + "x" * 900_000)]), DELIVERED, "MSA|AA|"),
    Case("no MSA", sends(lambda own: [framed(ack("AA", own).partition(b"\r")[0] + b"\r")]), WAITING, "no MSA-2"),
    Case("MSA without a control id", sends(lambda own: [framed(ack("AA", b""))]), WAITING, "no MSA-2"),
    Case("not HL7", sends(lambda own: [framed(b"OK " + own)]), WAITING, "does not start with MSH"),
    Case("an empty frame", sends(lambda own: [START + END + CR]), WAITING, "does not start with MSH"),
]  # fmt: skip

OUR_DEFECT = ("100", "101", "102", "103", "200", "201", "202", "203")
WORTH_ANOTHER_TRY = ("204", "206", "207", "0", "999", "E42")
VERDICTS = [
    Case("AA", answers("AA"), DELIVERED, "MSA|AA|"),
    Case("AA with a warning", answers("AA", err("101", severity="W")), DELIVERED, "MSA|AA|"),
    Case("AA in words", answers("AA", text="filed under a preliminary patient"), DELIVERED, "filed under a preliminary"),
    Case("aa", answers("aa"), DELIVERED, "MSA|AA|"),
    Case("CA unasked", answers("CA"), DELIVERED, "not asked for"),
    Case("AE without ERR", answers("AE"), WAITING, "MSA|AE|"),
    Case("CE without ERR", answers("CE"), WAITING, "MSA|CE|"),
    Case("AR without ERR", answers("AR"), PARKED, "MSA|AR|"),
    Case("CR without ERR", answers("CR"), PARKED, "MSA|CR|"),
    Case("no code of table 0008", answers("XX"), PARKED, "MSA|XX|"),
    Case("no code at all", answers(""), PARKED, "MSA||"),
    *(Case(f"AE {e}", answers("AE", err(e)), WAITING, f"ERR-3 {e}") for e in WORTH_ANOTHER_TRY),
    *(Case(f"AE {e}", answers("AE", err(e)), PARKED, f"ERR-3 {e}") for e in OUR_DEFECT),
    *(Case(f"CE {e}", answers("CE", err(e)), PARKED, f"ERR-3 {e}") for e in ("101", "203")),
    *(Case(f"AR {e}", answers("AR", err(e)), PARKED, f"ERR-3 {e}") for e in (*OUR_DEFECT, "204", "999")),
    *(Case(f"{c} {e}", answers(c, err(e)), WAITING, f"ERR-3 {e}") for c in ("AR", "CR") for e in ("206", "207")),
    *(Case(f"{c} 205", answers(c, err("205")), DELIVERED, "ERR-3 205") for c in ("AE", "CE", "AR", "CR")),
    Case("AE, a warning beside the error", answers("AE", err("101", severity="W"), err("204")), WAITING, "ERR-3 204"),
    Case("AE, an error beside the warning", answers("AE", err("207", severity="I"), err("101")), PARKED, "ERR-3 101"),
    Case("AE, a defect and an internal error", answers("AE", err("101"), err("207")), WAITING, "ERR-3 207"),
    Case("AE, nothing but a warning", answers("AE", err("101", severity="W")), PARKED, "ERR-3 101"),
    Case("AE, a code of its own before table 0357's", answers("AE", "ERR|||E42^x^L^204^y^HL70357|E"), WAITING, "ERR-3 204"),
    Case("AE, ERR of version 2.3", answers("AE", "ERR|PID^1^5^101&Required field missing&HL70357"), PARKED, "ERR-3 101"),
    Case("AE, ERR of version 2.3 twice", answers("AE", "ERR|PID^1^5^999~OBR^1^3^101"), PARKED, "ERR-3 101"),
    Case("AR, MSA-6 of version 2.4", sends(lambda o: [framed(ack("AR", o, text="busy|||207^x^HL70357"))]), WAITING, "ERR-3 207"),
]  # fmt: skip


@pytest.mark.parametrize("case", [*FRAMES, *VERDICTS], ids=str)
def test_whatever_the_ris_does_the_result_arrives_or_a_person_is_told(case: Case, tmp_path: Path) -> None:
    with sending(tmp_path, case.does, answers("AA"), timeout_s=1.5 if case.quick else PATIENCE_S) as (site, ris):
        message = site.plant()
        assert site.attempt()
        row = site.delivery()
        assert (row["state"], row["attempts"]) == (case.state, 1), row["words"]
        assert case.words in row["words"]
        assert (row["next_try_at"] is not None) == (case.state == WAITING)
        assert not site.attempt(), "not before its time"
        site.wait()
        assert site.attempt() == (case.state == WAITING), "what is delivered or parked is not sent again"
        if case.state == WAITING:
            assert site.states() == [DELIVERED]
        assert set(ris.received) == {message}, "the same bytes and the same MSH-10 on every resend"
        assert len(ris.received) == 1 + (case.state == WAITING) - (case.does is closes_at_once)


@pytest.mark.parametrize("code", ["AE", "AR"])
def test_why_the_ris_refused_is_read_in_its_own_words(code: str, tmp_path: Path) -> None:
    refused = answers(code, err("204", words="Auftrag \\T\\ Patient unbekannt"), text="nicht abgelegt")
    with sending(tmp_path, refused) as (site, _):
        site.plant()
        site.attempt()
        assert site.delivery()["words"].endswith('it said: "nicht abgelegt; Auftrag & Patient unbekannt"')


@pytest.mark.parametrize(
    ("header", "codec"), [(LATIN, "latin-1"), (UNSAID, "latin-1"), (UNSAID, "utf-8"), (UNSAID + b"||||||8859/99", "utf-8")]
)  # fmt: skip
def test_words_in_another_character_set_are_read_as_they_were_meant(header: bytes, codec: str, tmp_path: Path) -> None:
    words = "Schlüssel für Müller unbekannt"

    def refusal(own: bytes) -> list[bytes]:
        return [framed(ack("AR", own, header=header).replace(b"|" + own, b"|" + own + b"|" + words.encode(codec)))]

    with sending(tmp_path, sends(refusal)) as (site, _):
        site.plant()
        site.attempt()
        assert f'"{words}"' in site.delivery()["words"]


def test_an_answer_from_before_the_message_is_not_the_answer_to_it(tmp_path: Path) -> None:
    """Two copies of one refusal: the second must not be taken for the answer to the next try."""
    twice = sends(lambda own: [framed(ack("AE", own)) * 2])
    with sending(tmp_path, twice, answers("AA")) as (site, ris):
        site.plant()
        site.attempt()
        site.wait()
        site.attempt()
        assert (site.states(), len(ris.received), ris.connections) == ([DELIVERED], 2, 1)


def test_half_an_answer_from_before_does_not_spoil_the_next(tmp_path: Path) -> None:
    """The connection is out of step: another is opened."""
    begun = sends(lambda own: [framed(ack("AE", own)) + whole(own)[:30]])
    with sending(tmp_path, begun, ScriptedRis.hang_up, answers("AA")) as (site, ris):
        site.plant()
        site.attempt()
        site.wait()
        site.attempt()
        assert (site.states(), len(ris.received)) == ([DELIVERED], 2)


def test_a_message_that_nobody_answers_for_a_day_is_parked_where_a_person_sees_it(tmp_path: Path) -> None:
    with sending(tmp_path, *[answers("AE", err("204"))] * 3) as (site, ris):
        message = site.plant()
        site.attempt()
        site.wait()
        site.attempt()
        site.clock.go(hours=24)
        site.attempt()
        row = site.delivery()
        assert (row["state"], row["attempts"]) == (PARKED, 3)
        assert "ERR-3 204" in row["words"]
        assert set(ris.received) == {message}


def test_an_older_result_that_waits_is_overtaken_and_never_follows(tmp_path: Path) -> None:
    """AE 204: the order is not there yet. Meanwhile a late image comes and the study is read again."""
    with sending(tmp_path, answers("AE", err("204")), answers("AA")) as (site, ris):
        old = site.plant()
        site.attempt()
        new = site.plant(later(2))
        assert site.states() == ["superseded", WAITING]
        site.wait()
        while site.attempt():
            pass
        assert site.states() == ["superseded", DELIVERED]
        assert ris.received == [old, new]


def test_an_older_result_whose_fate_is_unknown_is_not_sent_after_the_newer_one(tmp_path: Path) -> None:
    with sending(tmp_path, is_silent, answers("AA"), timeout_s=1.5) as (site, ris):
        old = site.plant()
        site.attempt()
        new = site.plant(later(2))
        site.wait()
        while site.attempt():
            pass
        assert (site.states(), ris.received) == (["superseded", DELIVERED], [old, new])


def test_a_parked_result_holds_up_no_newer_one_and_is_not_sent_after_it(tmp_path: Path) -> None:
    with sending(tmp_path, answers("AR"), answers("AA")) as (site, ris):
        site.plant()
        site.attempt()
        site.plant(later(2))
        while site.attempt():
            pass
        assert site.states() == ["superseded", DELIVERED]
        assert len(ris.received) == 2


def test_the_flag_goes_before_the_report_and_never_after_it(tmp_path: Path) -> None:
    flag = later(1, outcome=Outcome.FLAGGED)
    with sending(tmp_path, answers("AE", err("207")), answers("AA")) as (site, ris):
        site.plant(flag, kind="flag")
        site.attempt()
        site.plant(later(1))
        site.wait()
        while site.attempt():
            pass
        assert site.states() == ["superseded", DELIVERED]
        assert len(ris.received) == 2


def test_a_retraction_is_waited_for_before_the_result_that_takes_its_place(tmp_path: Path) -> None:
    """Else the RIS would take back what is right."""
    with sending(tmp_path, answers("AE", err("206")), answers("AA"), answers("AA")) as (site, ris):
        taken_back = site.plant(later(2, outcome=Outcome.WITHDRAWN), kind="retract")
        site.attempt()
        new = site.plant(later(2))
        site.attempt()
        assert ris.received == [taken_back]
        for _ in range(3):
            site.wait()
            while site.attempt():
                pass
        assert ris.received == [taken_back, taken_back, new]
        assert site.states() == [DELIVERED, DELIVERED]


@pytest.mark.parametrize("refusal", [(), (err("204"),)])
def test_a_ris_that_has_merged_the_patient_away_gets_the_result_under_the_right_name(
    tmp_path: Path, refusal: tuple[str, ...]
) -> None:
    """It knows the old number no more, and refuses to take anything back under it: for as long as a result is tried, if it may."""
    refusals = [answers("AE", *refusal)] * 4
    with sending(tmp_path, *refusals, answers("AA")) as (site, ris):
        taken_back = site.plant(later(2, outcome=Outcome.WITHDRAWN), kind="retract")
        new = site.plant(later(2))
        site.attempt()
        site.attempt()
        assert site.states() == [WAITING, WAITING], (
            "for some minutes it may be that the RIS has yet to hear of the patient"
        )
        for _ in range(4):
            site.wait()
            while site.attempt():
                pass
        assert site.states() == [PARKED, DELIVERED], "a person sees what was not taken back"
        assert (ris.received[0], ris.received[-1]) == (taken_back, new)


def test_a_ris_that_is_only_busy_is_asked_to_take_back_for_as_long_as_anything(tmp_path: Path) -> None:
    with sending(tmp_path, *[answers("AE", err("207"))] * 8) as (site, _):
        site.plant(later(2, outcome=Outcome.WITHDRAWN), kind="retract")
        for _ in range(4):
            site.attempt()
            site.wait()
        assert site.states() == [WAITING]


def test_a_retraction_of_which_nobody_knows_whether_it_arrived_is_followed_by_the_result_that_holds(
    tmp_path: Path,
) -> None:
    """Refused, tried again after the right result, and then not answered until it was given up."""
    steps = (answers("AR"), answers("AA"), *[closes_after_the_message] * 3, answers("AA"))
    with sending(tmp_path, *steps) as (site, ris):
        taken_back = site.plant(later(2, outcome=Outcome.WITHDRAWN), kind="retract")
        right = site.plant(later(2))
        while site.attempt():
            pass
        assert (site.states(), ris.received) == ([PARKED, DELIVERED], [taken_back, right])
        site.try_again()
        site.attempt()
        assert site.states() == [WAITING, DELIVERED], "it is still tried"
        site.clock.go(hours=site.settings.delivery.give_up_after_h + 1)
        while site.attempt():
            pass
        assert site.states() == [PARKED, DELIVERED, DELIVERED]
        assert ris.received[2:-1] == [taken_back] * 3
        assert ris.received[-1].split(b"\r")[1:] == right.split(b"\r")[1:]


def test_one_study_that_the_ris_refuses_holds_up_no_other(tmp_path: Path) -> None:
    other = of_another_study()
    with sending(tmp_path, answers("AE", err("204")), answers("AA")) as (site, ris):
        site.plant()
        second = site.plant(other)
        assert site.attempt()
        assert site.attempt()
        assert (site.states(), site.states(other)) == ([WAITING], [DELIVERED])
        assert ris.received[1] == second


ENHANCED = [
    Case("committed, then filed", sends(lambda o: [framed(ack("CA", o)), whole(o)]), DELIVERED, "MSA|AA|"),
    Case("both in a packet", sends(lambda o: [framed(ack("CA", o)) + whole(o)]), DELIVERED, "MSA|AA|"),
    Case("committed twice, then filed", sends(lambda o: [framed(ack("CA", o)) * 2, whole(o)]), DELIVERED, "MSA|AA|"),
    Case("filed at once", answers("AA"), DELIVERED, "MSA|AA|"),
    Case("committed, then closed", sends_and_closes(lambda o: [framed(ack("CA", o))]), DELIVERED, "committed, and no"),
    Case("committed, then silence", answers("CA"), DELIVERED, "committed, and no", quick=True),
    Case("committed, then what is no answer", sends(lambda o: [framed(ack("CA", o)), framed(b"x")]), DELIVERED, "committed, and no"),
    Case("committed, then another's", sends(lambda o: [framed(ack("CA", o)), whole(b"OLD")]), DELIVERED, "committed, and no", quick=True),
    Case("committed, then not filed", sends(lambda o: [framed(ack("CA", o)), framed(ack("AE", o, err("204")))]), WAITING, "MSA|AE|"),
    Case("committed, then refused", sends(lambda o: [framed(ack("CA", o)), framed(ack("AR", o))]), PARKED, "MSA|AR|"),
    Case("committed, there already", sends(lambda o: [framed(ack("CA", o)), framed(ack("AE", o, err("205")))]), DELIVERED, "ERR-3 205"),
    Case("not committed", answers("CE"), WAITING, "MSA|CE|"),
    Case("not committed, for a defect", answers("CE", err("101")), PARKED, "MSA|CE|"),
    Case("commit refused", answers("CR"), PARKED, "MSA|CR|"),
    Case("commit refused, busy", answers("CR", err("207")), WAITING, "MSA|CR|"),
    Case("silence", is_silent, WAITING, "did not acknowledge", quick=True),
]  # fmt: skip


@pytest.mark.parametrize("case", ENHANCED, ids=str)
def test_in_enhanced_mode_too(case: Case, tmp_path: Path) -> None:
    """What is committed is with the RIS, and is not sent again unless the RIS says that it was not filed (2.5.1 2.9.3)."""
    both = {"acknowledgement": "both"}
    timeout = 1.5 if case.quick else PATIENCE_S
    with sending(tmp_path, case.does, answers("AA"), timeout_s=timeout, **both) as (site, ris):
        message = site.plant()
        assert message.split(b"|")[14:16] == [b"AL", b"AL"]
        site.attempt()
        row = site.delivery()
        assert (row["state"], row["attempts"]) == (case.state, 1), row["words"]
        assert case.words in row["words"]
        site.wait()
        assert site.attempt() == (case.state == WAITING)
        assert set(ris.received) == {message}


@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from([b"MSH", b"MSA", b"ERR", b"|", b"^", b"~", b"\\", b"\r", b"AE", b"\xff"])).map(b"".join)
)
def test_no_answer_is_so_odd_that_it_is_neither_taken_nor_refused(frame: bytes) -> None:
    """Any other exception would be our defect in the middle of a delivery."""
    try:
        read = parse_ack(frame)
    except NotAnAck:
        return
    assert read.control_id
    assert judge(read) in Verdict


@settings(max_examples=40, deadline=None)
@given(
    noise=st.binary(max_size=30).map(lambda b: b.replace(START, b"")),
    late=st.lists(st.sampled_from(["AA", "AE", "AR", "CA"]), max_size=3),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    code=st.sampled_from(["AA", "AE", "AR"]),
)
def test_wherever_the_answer_is_cut_and_whatever_stands_before_it(
    noise: bytes, late: list[str], cuts: list[int], code: str
) -> None:
    def answer(own: bytes) -> list[bytes]:
        whole = noise + b"".join(framed(ack(c, b"LATE")) for c in late) + framed(ack(code, own))
        marks = [0, *sorted(c for c in cuts if c < len(whole)), len(whole)]
        return [whole[a:b] for a, b in pairwise(marks) if a < b]

    with ScriptedRis(sends(answer)) as ris:
        client = MllpClient("127.0.0.1", ris.port, timeout_s=PATIENCE_S)
        read = client.send(b"MSH|^~\\&|||||||ORU|OURS|P|2.5.1\r", "OURS")
        client.close()
    assert (read.code, read.control_id, read.errors) == (code, "OURS", ())
