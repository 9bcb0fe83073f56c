"""One contract for every engine behind the model seam: local, served (by `transformers serve`) and recorded.

And what a served model makes of servers that misbehave: a peer on a raw socket does what it is told, right or wrong.
"""

from __future__ import annotations

import json
import logging
import math
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import ModelUnavailable, Permanent, PrereadError, SettingsError, Transient
from agent.model.http_call import HttpClient
from agent.model.local import load_local
from agent.model.parsing import Reply, parse_reply
from agent.model.protocol import Answer, Model, Picture, StudySession
from agent.model.reading_protocol import builtin
from agent.model.recorded import RecordedModel, RecordingModel
from agent.model.served import ServedModel, load_served, with_version
from agent.model.servers import LEFT_OUT_S, Servers
from agent.reading.labels import label
from structured_report.content import Laterality, Presence
from tests.support.films import picture
from tests.support.model_server import transformers_serve
from tests.support.scripted_server import (
    ENTRY,
    STREAM,
    Connection,
    Script,
    ScriptedServer,
    completed,
    part,
    raw,
    reply,
    send,
    stream,
    words,
)
from tests.support.site import PATIENCE_S, free_port

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

PROTOCOL = builtin("chexone")
FINDINGS = PROTOCOL.prompt(PROTOCOL.task("findings"))
PROBES = tuple(
    PROTOCOL.prompt(PROTOCOL.task("presence"), finding=f) for f in ("pneumothorax", "pleural effusion", "nodule")
)
YES_OR_NO = (("yes", "Yes"), ("no", "No"))
# A loaded machine may take long over anything that is not held up on purpose.
PATIENT_S = PATIENCE_S
# Pairs of pictures whose order the model answers to.
PAIRS = (
    (("clear", "PA"), ("clear", "LL")),
    (("clear", "PA"), ("cardiomegaly", "PA")),
    (("clear", "PA"), ("right-effusion", "LL")),
    (("right-effusion", "PA"), ("cardiomegaly", "PA")),
)


@cache
def film(kind: str, view: str = "PA") -> Picture:
    return picture(kind, view, rows=256, columns=210)


def opened(model: Model, *films: tuple[str, str]) -> StudySession:
    return model.open_study([film(*f) for f in films], system=PROTOCOL.system)


def ask(session: StudySession, *pictures: int, most: int = 400, between: Callable[[], None] | None = None) -> Answer:
    return session.ask(FINDINGS, pictures=pictures, max_new_tokens=most, deadline_s=PATIENT_S, between_tokens=between)


def both_orders(model: Model) -> list[tuple[str, str]]:
    """The beginnings of the replies about each pair, in one order and in the other."""
    found = []
    for pair in PAIRS:
        session = opened(model, *pair)
        found.append((ask(session, 0, 1, most=48).text, ask(session, 1, 0, most=48).text))
        session.close()
    return found


@pytest.fixture(scope="module")
def local(checkpoint: Path) -> Iterator[Model]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # on a loaded machine two threads are two hundred times slower than one
    model = load_local(str(checkpoint), quantization="none", device="cpu")
    yield model
    model.close()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def orders(local: Model) -> list[tuple[str, str]]:
    """What the local engine says about the pairs."""
    return both_orders(local)


@pytest.fixture(scope="module")
def served(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    with transformers_serve(checkpoint, tmp_path_factory.mktemp("served")) as url:
        model = load_served([url])
        yield model
        model.close()


@pytest.fixture(scope="module")
def recorded(local: Model, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Everything that the contract asks, recorded from the local engine."""
    folder = tmp_path_factory.mktemp("recorded") / "replies"
    recording = RecordingModel(local, folder, protocol=PROTOCOL.id)
    both_orders(recording)
    session = opened(recording, ("left-effusion", "PA"), ("left-effusion", "LL"))
    for pictures in ((0,), (0, 1), ()):
        ask(session, *pictures)
        ask(session, *pictures, most=8)
    session.choose(PROBES, pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    session.close()
    return RecordedModel(folder, protocol=PROTOCOL.id)


@pytest.fixture(params=["local", "served", "recorded"])
def model(request: pytest.FixtureRequest) -> Model:
    found: Model = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def session(model: Model) -> Iterator[StudySession]:
    found = opened(model, ("left-effusion", "PA"), ("left-effusion", "LL"))
    yield found
    found.close()


def test_the_reply_is_what_the_checkpoint_was_taught_and_every_time_the_same(session: StudySession) -> None:
    for pictures in ((0,), (0, 1)):
        first, second = ask(session, *pictures), ask(session, *pictures)
        assert (first.text, first.tokens, first.finished) == (second.text, second.tokens, second.finished)
        parsed = parse_reply(first.text, finished=True)
        assert isinstance(parsed, Reply)
        found = {(f.concept, f.laterality) for f in label(parsed.answer) if f.presence is Presence.PRESENT}
        assert found == {("pleural_effusion", Laterality.LEFT)}
        assert first.finished
        assert first.tokens > 50
        assert 0 <= first.seconds <= PATIENT_S


def test_pictures_are_shown_in_the_order_asked_for(model: Model, orders: list[tuple[str, str]]) -> None:
    """And every engine answers as the local one does, in the one order and in the other."""
    assert any(one != other for one, other in orders), "the checkpoint tells some of them apart"
    assert both_orders(model) == orders


def test_a_reply_at_its_limit_says_that_it_was_cut_off(session: StudySession) -> None:
    answer = ask(session, 0, most=8)
    assert (answer.finished, answer.tokens) == (False, 8)
    assert ask(session, 0).text.startswith(answer.text)


def test_a_question_may_be_about_no_picture(session: StudySession) -> None:
    assert ask(session, most=8).tokens == 8


def test_it_says_which_build_it_is(model: Model) -> None:
    identity = model.identity
    assert re.fullmatch(r"(served:)?[0-9a-f]{64}", identity.weights_digest)
    assert identity.weights_digest.startswith("served:") == (identity.quantization == "served")
    assert all((identity.name, identity.device, identity.engine))
    local = identity.quantization != "served"  # a server does not say what its weights are for; the settings do
    assert identity.for_commissioning == local


@pytest.mark.parametrize("deadline_s", [0.0, -1.0])
def test_a_deadline_that_passes_is_worth_another_try(session: StudySession, deadline_s: float) -> None:
    started = time.monotonic()
    with pytest.raises(Transient) as asked:
        session.ask(FINDINGS, pictures=(0,), max_new_tokens=400, deadline_s=deadline_s)
    with pytest.raises(Transient) as chosen:
        session.choose(PROBES, pictures=(0,), choices=YES_OR_NO, deadline_s=deadline_s)
    assert (asked.value.code, chosen.value.code) == ("model-timeout", "model-timeout")
    assert time.monotonic() - started < 60
    assert ask(session, 0, most=8).tokens == 8, "the session goes on"


@pytest.mark.parametrize("kind", [RuntimeError, MemoryError, ValueError, TimeoutError, KeyboardInterrupt])
def test_what_is_raised_between_tokens_ends_the_reply_and_comes_out_unchanged(
    session: StudySession, kind: type[BaseException]
) -> None:
    mine, calls = kind("stop"), []

    def between() -> None:
        calls.append(1)
        raise mine

    with pytest.raises(kind) as error:
        ask(session, 0, between=between)
    assert error.value is mine
    assert len(calls) == 1
    assert ask(session, 0, most=8).tokens == 8, "the session goes on"


def test_time_spent_between_tokens_is_not_the_models(session: StudySession) -> None:
    """The clock that is looked at stands still meanwhile: here it would have passed the deadline many times over."""
    calls: list[float] = []

    def between() -> None:
        started = time.monotonic()
        while time.monotonic() - started < 0.05:
            pass
        calls.append(time.monotonic() - started)

    answer = ask(session, 0, most=8, between=between)
    assert calls
    started = time.monotonic()
    again = ask(session, 0, most=8, between=between)
    assert again.text == answer.text
    assert again.seconds <= time.monotonic() - started - 0.05


def test_closing_twice_is_harmless(model: Model) -> None:
    session = opened(model, ("clear", "PA"))
    session.close()
    session.close()


def test_shares_sum_to_one_or_are_not_given(session: StudySession) -> None:
    chosen = session.choose(PROBES, pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    assert len(chosen) == len(PROBES)
    assert chosen == session.choose(PROBES, pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    for choice in chosen:
        assert choice.shares is None or sum(choice.shares) == pytest.approx(1.0)
        assert choice.chosen in (None, 0, 1)


def test_no_questions_get_no_choices(session: StudySession) -> None:
    assert session.choose((), pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S) == ()


@pytest.mark.parametrize("choices", [(("yes",), ("yes",)), (("yes", "no"), ("no",))])
def test_choices_that_cannot_be_told_apart_are_refused(session: StudySession, choices: Sequence[Sequence[str]]) -> None:
    with pytest.raises(Permanent) as error:
        session.choose(PROBES, pictures=(0,), choices=choices, deadline_s=PATIENT_S)
    assert error.value.code == "choices-ambiguous"


@pytest.mark.parametrize("pictures", [(2,), (-1,), (0, 7)])
def test_a_picture_that_is_not_there_is_refused(session: StudySession, pictures: Sequence[int]) -> None:
    for attempt in (
        lambda: ask(session, *pictures, most=8),
        lambda: session.choose(PROBES, pictures=pictures, choices=YES_OR_NO, deadline_s=PATIENT_S),
    ):
        with pytest.raises(Permanent) as error:
            attempt()
        assert error.value.code == "picture-unknown"


@pytest.mark.parametrize("count", [0, 4])
def test_a_study_has_one_to_three_pictures(model: Model, count: int) -> None:
    with pytest.raises(Permanent) as error:
        model.open_study([film("clear")] * count, system=PROTOCOL.system)
    assert error.value.code == "picture-count"


# --- recorded -------------------------------------------------------------------------------------------------------


def test_what_was_not_recorded_is_refused_by_its_hash(recorded: Model) -> None:
    asked = opened(recorded, ("left-effusion", "PA"), ("left-effusion", "LL"))
    other = opened(recorded, ("cardiomegaly", "LL"))
    for session, most, pictures in ((asked, 9, (0,)), (asked, 400, (1,)), (other, 400, (0,))):
        with pytest.raises(Permanent, match=r"request [0-9a-f]{64}") as error:
            ask(session, *pictures, most=most)
        assert error.value.code == "not-recorded"
        assert FINDINGS not in str(error.value)
    with pytest.raises(Permanent) as error:
        asked.choose(PROBES, pictures=(0,), choices=(("no",), ("yes",)), deadline_s=PATIENT_S)
    assert error.value.code == "not-recorded"


def test_recordings_hold_words_and_no_pictures_and_are_the_owners(local: Model, tmp_path: Path) -> None:
    folder = tmp_path / "replies"
    model = RecordingModel(local, folder)
    ask(opened(model, ("clear", "PA")), 0, most=8)
    (file,) = (f for f in folder.iterdir() if f.name != "model.json")
    kept = json.loads(file.read_text(encoding="utf-8"))
    assert kept["request"]["prompt"] == FINDINGS
    assert file.stat().st_size < 2000
    assert (file.stat().st_mode & 0o77, folder.stat().st_mode & 0o77) == (0, 0)
    assert model.identity == local.identity
    replayed = RecordedModel(folder).identity
    assert (replayed.name, replayed.weights_digest) == (local.identity.name, local.identity.weights_digest)
    assert replayed.device == "recorded"


def test_a_damaged_recording_is_not_read(local: Model, tmp_path: Path) -> None:
    folder = tmp_path / "replies"
    ask(opened(RecordingModel(local, folder), ("clear", "PA")), 0, most=8)
    (file,) = (f for f in folder.iterdir() if f.name != "model.json")
    for content in ("{", "[]", '{"reply": {}}', '{"reply": {"text": "x"}}', "\udcff"):
        file.write_bytes(content.encode("utf-8", "surrogateescape"))
        with pytest.raises(Permanent) as error:
            ask(opened(RecordedModel(folder), ("clear", "PA")), 0, most=8)
        assert error.value.code == "recording-damaged"


def test_one_folder_holds_the_replies_of_one_model(local: Model, tmp_path: Path) -> None:
    with pytest.raises(Permanent) as error:
        RecordedModel(tmp_path / "nothing")
    assert error.value.code == "recordings-missing"
    with ScriptedServer(words("a")) as server:
        RecordingModel(load_served([server.url]), tmp_path / "replies")
    with pytest.raises(Permanent) as error:
        RecordingModel(local, tmp_path / "replies")
    assert error.value.code == "recordings-of-another-model"
    (tmp_path / "file").touch()
    with pytest.raises(Permanent) as error:
        RecordingModel(local, tmp_path / "file")
    assert error.value.code == "recordings-unwritable"


# --- served: what is sent -------------------------------------------------------------------------------------------

# An indication with a name in it: it must come back in no message.
SECRET = "Zebediah Quillfeather, MRN 4711-0815, TB?"
PROMPT = f'Given the indication: "{SECRET}", write a structured findings section for the CXR.'


def question(
    server: ScriptedServer | str, *, deadline_s: float = PATIENT_S, between: Callable[[], None] | None = None
) -> Answer:
    """One question with a secret in it."""
    url = server if isinstance(server, str) else server.url
    model = load_served([url])
    try:
        return asked(model, deadline_s=deadline_s, between=between)
    finally:
        model.close()


def asked(model: Model, *, deadline_s: float = PATIENT_S, between: Callable[[], None] | None = None) -> Answer:
    session = opened(model, ("clear", "PA"), ("clear", "LL"))
    return session.ask(PROMPT, pictures=(1, 0), max_new_tokens=64, deadline_s=deadline_s, between_tokens=between)


def test_the_request_says_what_the_seam_says() -> None:
    with ScriptedServer(words("The ", "lungs")) as server:
        answer = question(server)
    assert (answer.text, answer.tokens, answer.finished) == ("The lungs", 3, True)
    (body,) = server.questions
    assert {k: v for k, v in body.items() if k != "messages"} == {
        "model": "cxr", "temperature": 0, "seed": 0, "max_tokens": 64, "stream": True,
        "stream_options": {"include_usage": True}, "repetition_penalty": 1.0,
    }  # fmt: skip
    system, user = body["messages"]
    assert system == {"role": "system", "content": PROTOCOL.system}
    assert [c["type"] for c in user["content"]] == ["image_url", "image_url", "text"]
    assert user["content"][2]["text"] == PROMPT
    shown = [c["image_url"]["url"] for c in user["content"][:2]]
    assert all(u.startswith("data:image/png;base64,") for u in shown)
    with ScriptedServer(words("x"), entries=[{"id": "other", "owned_by": "somebody"}]) as server:
        model = load_served([server.url])
        session = opened(model, ("clear", "LL"), ("clear", "PA"))
        session.ask("?", pictures=(0, 1), max_new_tokens=1, deadline_s=PATIENT_S)
    (other,) = server.questions
    assert [c["image_url"]["url"] for c in other["messages"][1]["content"][:2]] == shown, (
        "pictures in the order asked for"
    )
    assert "repetition_penalty" not in other, "only vLLM is known to know it"


def test_pictures_are_sent_no_larger_than_the_family_is_trained_with() -> None:
    import base64
    import io

    from PIL import Image

    with ScriptedServer(words("x")) as server:
        session = load_served([server.url]).open_study([picture("clear"), film("clear")], system="s")
        session.ask("?", pictures=(0, 1), max_new_tokens=1, deadline_s=PATIENT_S)
    urls = [c["image_url"]["url"] for c in server.questions[0]["messages"][1]["content"][:2]]
    large, small = (Image.open(io.BytesIO(base64.b64decode(u.partition(",")[2]))) for u in urls)
    assert large.size == (448, 560)
    assert np.array_equal(np.asarray(small), film("clear"))


def test_the_key_and_the_name_come_from_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    key = tmp_path / "key"
    key.write_text("sk-secret\n", encoding="utf-8")
    two = [ENTRY, ENTRY | {"id": "adapter"}]
    with ScriptedServer(words("x"), entries=two) as server:
        model = load_served([server.url.removesuffix("/v1") + "/"], name="adapter", api_key_file=key)
        asked(model)
        assert model.identity.name == "adapter"
        assert server.questions[0]["model"] == "adapter"
        assert all(r.headers["authorization"] == "Bearer sk-secret" for r in server.asked)
        with pytest.raises(ModelUnavailable, match=r"cxr, adapter; one of them .* model\.served_model"):
            load_served([server.url])
        with pytest.raises(ModelUnavailable, match="lists cxr, adapter; not third"):
            load_served([server.url], name="third")
    key.write_text("two\nlines", encoding="utf-8")
    for file in (key, tmp_path / "missing"):
        with pytest.raises(SettingsError, match="api_key_file") as error:
            load_served(["http://127.0.0.1:1"], api_key_file=file)
        assert "lines" not in str(error.value)


def test_the_identity_is_what_the_server_says_as_far_as_it_lasts() -> None:
    digests = []
    for change in ({}, {"created": 2, "permission": [{"id": "x"}]}, {"root": "/models/other"}, {"id": "renamed"}):
        with ScriptedServer(entries=[ENTRY | change]) as server:
            digests.append(load_served([server.url]).identity.weights_digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    with ScriptedServer(entries=[ENTRY | {"root": "StanfordAIMI/CheXOne"}]) as server:
        model, url = load_served([server.url], for_commissioning=True), server.url
    assert model.identity.licence.startswith("CC BY-NC")
    assert model.identity.for_commissioning
    assert model.identity.device == url.removeprefix("http://").removesuffix("/v1")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


def test_a_certificate_is_verified_always(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    with ScriptedServer(words("x"), context=context) as server:
        assert asked(load_served([server.url], ca_file=certificate[1])).text == "x"
        with pytest.raises(ModelUnavailable, match=r"not trusted.*model\.ca_file"):
            load_served([server.url])
        with pytest.raises(ModelUnavailable):
            load_served([server.url.replace("https", "http")])
    with ScriptedServer(words("x")) as plain, pytest.raises(ModelUnavailable, match="TLS"):
        load_served([plain.url.replace("http", "https")])
    (tmp_path / "not.pem").write_text("x", encoding="utf-8")
    with pytest.raises(SettingsError, match="ca_file"):
        load_served(["https://127.0.0.1:1"], ca_file=tmp_path / "not.pem")


# --- served: choices ------------------------------------------------------------------------------------------------


def chosen_from(*replies: str) -> tuple[ScriptedServer, Model]:
    """A server that answers so, one reply a question, the last for all others."""
    left = list(replies)

    def script(_server: ScriptedServer, connection: Connection) -> None:
        send(connection, 200, left.pop(0) if len(left) > 1 else left[0])

    server = ScriptedServer(script).__enter__()
    return server, load_served([server.url])


def test_shares_come_from_the_likeliest_tokens() -> None:
    top = [(" yes", math.log(0.6)), ("Yes", math.log(0.1)), ("no", math.log(0.2)), ("The", math.log(0.1)), ("", -50.0)]
    server, model = chosen_from(completed(" yes", top))
    (choice,) = opened(model, ("clear", "PA")).choose(["?"], pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    assert choice.shares == pytest.approx((7 / 9, 2 / 9))
    assert choice.chosen == 0
    body = server.questions[0]
    assert (body["max_tokens"], body["logprobs"], body["top_logprobs"]) == (1, True, 20)
    server.__exit__(None, None, None)
    server, model = chosen_from(completed("The", [("The", -0.1), ("no", -3.0), ("No", -9999.0)]))
    (choice,) = opened(model, ("clear", "PA")).choose(["?"], pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    assert choice.shares == pytest.approx((0.0, 1.0))
    assert choice.chosen is None, "neither is what it would have said"
    server.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("yes", 0), (" Yes, there is", 0), ("**No**", 1), ("no.", 1), ("nothing", None), ("maybe", None), ("", None)],
)
def test_without_probabilities_the_words_decide(text: str, chosen: int | None) -> None:
    server, model = chosen_from(completed("yes"), completed(text))
    session = opened(model, ("clear", "PA"))
    (choice,) = session.choose(["?"], pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    assert (choice.shares, choice.chosen) == (None, chosen)
    session.choose(["?"], pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    assert [b.get("logprobs") for b in server.questions] == [True, None, None], "it is asked for them once"
    server.__exit__(None, None, None)


def test_questions_of_a_batch_are_asked_at_the_same_time_and_answered_in_order() -> None:
    together = threading.Barrier(6)

    def script(server: ScriptedServer, connection: Connection) -> None:
        together.wait(PATIENT_S)
        text = server.read(connection).body["messages"][1]["content"][-1]["text"]
        send(connection, 200, completed(text, [(text, -0.1)]))

    with ScriptedServer(script) as server:
        session = opened(load_served([server.url]), ("clear", "PA"))
        prompts = ["yes", "no", "No", "Yes", "yes", "no"]
        found = session.choose(prompts, pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    assert [c.chosen for c in found] == [0, 1, 1, 0, 0, 1]


def test_a_question_of_a_batch_that_fails_ends_the_batch() -> None:
    arrived = count(1)

    def script(server: ScriptedServer, connection: Connection) -> None:
        if next(arrived) == 3:
            send(connection, 500, "{}")
        else:
            server.wait_for_hang_up(connection)

    with ScriptedServer(script) as server:
        session = opened(load_served([server.url]), ("clear", "PA"))
        with pytest.raises(Transient) as error:
            session.choose(["?"] * 3, pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
        assert error.value.code == "model-failed"
        assert server.hung_up.wait(PATIENT_S), "the others are not waited for"


# --- served: what can go wrong --------------------------------------------------------------------------------------

ECHO = json.dumps({"error": {"message": f"cannot parse: {PROMPT}", "type": "BadRequestError", "code": 400}})
HTML = "<html><body>maintenance</body></html>"
NONSENSE = [
    "", "{", "[]", "null", '"x"', "{}", '{"choices": 1}', '{"choices": []}', '{"choices": [1]}', '{"choices": [{}]}',
    '{"choices": [{"message": {"content": 5}}]}', "[" * 5000, f'{{"choices": "{SECRET}"}}', HTML,
]  # fmt: skip

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
FAULTS: list[tuple[str, Script, type[PrereadError], str]] = [
    ("refused", reply(400, ECHO), Permanent, "model-request-refused"),
    ("too large", reply(413, HTML, "text/html"), Permanent, "model-request-refused"),
    ("not processable", reply(422, json.dumps({"detail": [{"msg": PROMPT, "input": PROMPT}]})), Permanent, "model-request-refused"),
    ("no key", reply(401, "{}"), ModelUnavailable, "model-not-served"),
    ("no such model", reply(404, ECHO), ModelUnavailable, "model-not-served"),
    ("elsewhere", reply(302, "", more="Location: http://127.0.0.1:9/\r\n"), ModelUnavailable, "model-not-served"),
    ("slow request", reply(408, "{}"), Transient, "model-failed"),
    ("busy", reply(429, "{}", more="Retry-After: 7\r\n"), ModelUnavailable, "model-busy"),
    ("failed", reply(500, ECHO), Transient, "model-failed"),
    ("failed in HTML", reply(500, HTML, "text/html"), Transient, "model-failed"),
    ("gateway", reply(502, HTML, "text/html"), ModelUnavailable, "model-not-served"),
    ("not ready", reply(503, "{}"), ModelUnavailable, "model-not-served"),
    ("closes", raw(b""), Transient, "model-reply-broken"),
    ("no HTTP", raw(b"\x00\xff" * 200), Transient, "model-reply-broken"),
    ("half a head", raw(b"HTTP/1.1 200 OK\r\nContent-Ty"), Transient, "model-reply-broken"),
    ("page", reply(200, HTML, "text/html"), ModelUnavailable, "model-reply-nonsense"),
    ("nothing", stream(), Transient, "model-reply-broken"),
    ("half a stream", stream(part("The lungs")), Transient, "model-reply-broken"),
    ("half an event", raw(STREAM + part("The")[:-20]), Transient, "model-reply-broken"),
    ("done without an end", stream(part("The"), b"data: [DONE]\n\n"), Transient, "model-reply-broken"),
    ("nonsense event", stream(b"data: {\n\n"), ModelUnavailable, "model-reply-nonsense"),
    ("nonsense later", stream(part("The"), b"data: 7\n\n"), Transient, "model-reply-broken"),
    ("error event", stream(part("The"), f"data: {ECHO}\n\n".encode()), Permanent, "model-request-refused"),
    ("error in words", stream(b'data: {"error": "CUDA error"}\n\n'), Transient, "model-failed"),
    ("given up", stream(part("The"), part(None, "abort")), Transient, "model-failed"),
    ("short body", raw(HEAD + b"Content-Length: 999\r\n\r\n" + part("x", "stop")), Transient, "model-reply-broken"),
    ("bad chunks", raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), Transient, "model-reply-broken"),
    ("endless line", raw(STREAM + b"data: " + b"x" * 17_000_000), Transient, "model-reply-broken"),
]  # fmt: skip


def assert_nothing_leaks(error: BaseException) -> None:
    seen: BaseException | None = error
    while seen is not None:
        for word in re.findall(r"[\w-]+", SECRET):
            assert not re.search(rf"\b{re.escape(word)}\b", str(seen)), (type(seen), str(seen))
        seen = seen.__cause__


@pytest.mark.parametrize(("script", "kind", "code"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_a_server_that_misbehaves_is_an_error_of_ours(
    script: Script, kind: type[PrereadError], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(script) as server, pytest.raises(PrereadError) as error:
        question(server)
    assert (type(error.value), error.value.code) == (kind, code)
    assert_nothing_leaks(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("body", NONSENSE)
def test_nonsense_for_an_answer_to_a_choice_is_an_error_of_ours(body: str) -> None:
    server, model = chosen_from(body)
    with pytest.raises(ModelUnavailable) as error:
        opened(model, ("clear", "PA")).choose([PROMPT], pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    assert error.value.code == "model-reply-nonsense"
    assert_nothing_leaks(error.value)
    server.__exit__(None, None, None)


@pytest.mark.parametrize("value", ['"x"', "null", "NaN", "true", "1.5", "1" + "0" * 400])
def test_a_probability_that_is_none_is_not_the_end_of_the_server(value: str) -> None:
    body = completed("yes", [("yes", -0.1)]).replace("-0.1", value)
    server, model = chosen_from(body)
    with pytest.raises(Transient) as error:
        opened(model, ("clear", "PA")).choose(["?"], pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S)
    assert error.value.code == "model-reply-broken"
    server.__exit__(None, None, None)


@given(st.binary(max_size=300), st.booleans(), st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_bytes_whatever_are_a_foreign_error(content: bytes, headed: bool, event: bool) -> None:
    body = (STREAM if headed else b"") + (b"data: " if event else b"") + content
    with ScriptedServer(raw(body)) as server:
        try:
            question(server)
        except PrereadError as error:
            assert_nothing_leaks(error)


KEYS = (
    "choices", "delta", "message", "content", "finish_reason", "logprobs", "top_logprobs", "token", "logprob", "usage", "error", "code",
    "detail",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_json_whatever_is_a_foreign_error(value: object) -> None:
    text = json.dumps(value)
    with ScriptedServer(reply(200, text)) as server:
        session = opened(load_served([server.url]), ("clear", "PA"))
        for attempt in (
            lambda: session.ask("?", pictures=(0,), max_new_tokens=5, deadline_s=PATIENT_S),
            lambda: session.choose(["?"], pictures=(0,), choices=YES_OR_NO, deadline_s=PATIENT_S),
        ):
            try:
                attempt()
            except PrereadError:
                pass
    with ScriptedServer(stream(f"data: {text}\n\n".encode(), part("x", "stop"))) as server:
        try:
            question(server)
        except PrereadError:
            pass


def hangs(*before: bytes) -> Script:
    def script(server: ScriptedServer, connection: Connection) -> None:
        connection.sendall(b"".join(before))
        server.wait_for_hang_up(connection)

    return script


def trickles(server: ScriptedServer, connection: Connection) -> None:
    """Never silent, never done: a read time-out alone would wait for ever."""
    connection.sendall(STREAM)
    while not server.over.wait(0.02):
        connection.sendall(b": still here\n\n")


@pytest.mark.parametrize(
    "script",
    [hangs(), hangs(b"HTTP/1.1 200"), hangs(STREAM), hangs(STREAM, part("The")), trickles],
    ids=["silent", "silent in the head", "silent after the head", "silent in the reply", "trickles"],
)
def test_a_server_that_hangs_is_given_up_in_time(script: Script) -> None:
    with ScriptedServer(script) as server:
        model = load_served([server.url])
        started = time.monotonic()
        with pytest.raises(Transient) as error:
            asked(model, deadline_s=0.5)
        another = opened(load_served([server.url]), ("clear", "PA"))
        with pytest.raises(Transient) as chosen:
            another.choose(PROBES, pictures=(0,), choices=YES_OR_NO, deadline_s=0.5)
        assert time.monotonic() - started < 60
    assert (error.value.code, chosen.value.code) == ("model-timeout", "model-timeout")
    assert_nothing_leaks(error.value)


def test_a_server_that_hangs_when_asked_for_its_models_takes_no_more_time_than_the_study_has() -> None:
    with ScriptedServer(reply(503, "{}")) as server:
        model = load_served([server.url])
        with pytest.raises(ModelUnavailable):
            asked(model)  # from here on it has to be looked at again
        server.listing = hangs()
        started = time.monotonic()
        with pytest.raises(ModelUnavailable, match="does not answer when asked for its models"):
            asked(model, deadline_s=0.5)
        assert time.monotonic() - started < 60
        server.listing, server.entries = None, ()
        with pytest.raises(ModelUnavailable, match="lists nothing"):
            asked(model)


@pytest.mark.parametrize("at", ["silence", "tokens"])
def test_stopping_a_reply_closes_its_connection(at: str) -> None:
    class Enough(Exception):
        pass

    raised: list[int] = []

    def between() -> None:
        if server.questions:  # not before it has arrived
            raised.append(1)
            raise Enough

    with ScriptedServer(hangs(STREAM, part("The ") + part("lungs ")) if at == "tokens" else hangs()) as server:
        with pytest.raises(Enough):
            question(server, between=between)
        assert server.hung_up.wait(PATIENT_S), "the server learns that nobody waits any more"
    assert len(raised) == 1


def no_such_name(*_arguments: object, **_named: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_dead_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ModelUnavailable, match=r"127\.0\.0\.1:\d+ cannot be reached"):
        load_served([dead])
    with monkeypatch.context() as patched, pytest.raises(ModelUnavailable, match="cannot be resolved"):
        patched.setattr(socket, "getaddrinfo", no_such_name)
        load_served(["http://no-such-host.invalid:1"])
    with ScriptedServer(words("x")) as server:
        model = load_served([server.url])
    with pytest.raises(ModelUnavailable) as error:
        asked(model)
    assert not error.value.blames_work
    assert error.value.code == "model-unreachable"


# --- served: several servers ----------------------------------------------------------------------------------------


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def replicas(*servers: ScriptedServer | str) -> tuple[Model, Clock]:
    clock, client = Clock(), HttpClient()
    urls = [s if isinstance(s, str) else s.url for s in servers]
    pool = Servers(client, [with_version(u) for u in urls], "", now=clock)
    return ServedModel(client, pool, pool.entry()), clock


def test_a_server_that_fails_is_left_out_for_a_while_and_tried_again() -> None:
    with ScriptedServer(reply(503, "{}")) as ill, ScriptedServer(words("x")) as well:
        model, clock = replicas(ill, well)
        for _ in range(5):
            assert asked(model).text == "x"
        assert (len(ill.questions), len(well.questions)) == (1, 5)
        clock.now += LEFT_OUT_S + 1
        for _ in range(3):
            asked(model)
        assert len(ill.questions) == 2
        ill.script = words("y")
        clock.now += LEFT_OUT_S + 1
        assert {asked(model).text for _ in range(6)} == {"x", "y"}


def test_a_busy_server_says_itself_for_how_long() -> None:
    with ScriptedServer(reply(429, "{}", more="Retry-After: 3\r\n")) as busy, ScriptedServer(words("x")) as well:
        model, clock = replicas(busy, well)
        for _ in range(4):
            asked(model)
        assert len(busy.questions) == 1
        clock.now += 4
        for _ in range(4):
            asked(model)
        assert len(busy.questions) == 2
    with ScriptedServer(reply(429, "{}", more="Retry-After: 120\r\n")) as busy:
        with pytest.raises(ModelUnavailable) as error:
            question(busy)
        assert error.value.wait_s == 120


def test_all_dead_is_unavailable_and_names_each() -> None:
    with ScriptedServer(words("x")) as one, ScriptedServer(words("x")) as two:
        model, _ = replicas(one, two)
        urls = (one.url, two.url)
    with pytest.raises(ModelUnavailable) as error:
        asked(model)
    for url in urls:
        assert url.removeprefix("http://").removesuffix("/v1") in str(error.value)


def test_a_dead_server_beside_a_living_one_is_no_trouble() -> None:
    with ScriptedServer(words("x")) as well:
        model, _ = replicas(f"http://127.0.0.1:{free_port()}", well)
        assert [asked(model).text for _ in range(3)] == ["x"] * 3


def test_the_least_busy_server_is_asked() -> None:
    def holds(server: ScriptedServer, connection: Connection) -> None:
        begun.set()
        connection.sendall(STREAM + part("held"))
        release.wait(PATIENT_S)
        connection.sendall(part("", "stop"))

    release, begun = threading.Event(), threading.Event()
    with ScriptedServer(holds) as one, ScriptedServer(holds) as two:
        model, _ = replicas(one, two)
        held = threading.Thread(target=lambda: asked(model))
        held.start()
        assert begun.wait(PATIENT_S)
        first, other = (one, two) if one.questions else (two, one)
        other.script = words("x")
        assert [asked(model).text for _ in range(4)] == ["x"] * 4
        release.set()
        held.join(PATIENT_S)
        assert (len(first.questions), len(other.questions)) == (1, 4)


def test_a_server_of_another_build_is_not_asked() -> None:
    with ScriptedServer(words("x")) as one, ScriptedServer(words("y"), entries=[ENTRY | {"root": "/other"}]) as two:
        model, _ = replicas(one, two)
        assert [asked(model).text for _ in range(4)] == ["x"] * 4
        assert not two.questions
        one.script = reply(503, "{}")
        with pytest.raises(ModelUnavailable, match="another build"):
            asked(model)
        assert not two.questions, "not even when nobody else is left"


def test_a_server_that_comes_back_with_another_build_is_not_asked() -> None:
    with ScriptedServer(reply(503, "{}")) as server:
        model, _ = replicas(server)
        with pytest.raises(ModelUnavailable):
            asked(model)
        server.script, server.entries = words("y"), [ENTRY | {"root": "/other"}]
        with pytest.raises(ModelUnavailable, match="another build") as error:
            asked(model)
        assert error.value.code == "model-replicas-differ"


def test_a_request_that_fails_on_one_server_is_not_sent_to_all_the_others() -> None:
    """What kills one server would kill them all."""
    with ScriptedServer(raw(b"")) as one, ScriptedServer(raw(b"")) as two:
        model, _ = replicas(one, two)
        with pytest.raises(Transient) as error:
            asked(model)
        assert error.value.blames_work
        assert len(one.questions) + len(two.questions) == 1
