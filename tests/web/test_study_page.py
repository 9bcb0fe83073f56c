"""The page of a study: what a radiologist reads, and what must never be missed or mistaken there."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from agent.reading.guards.codes import Code, Effect
from agent.reading.labels import label
from agent.reading.read import Read
from agent.store import studies
from agent.web.context import WebContext
from agent.web.pages.texts import Texts
from agent.web.rights import Role
from agent.web.study.evidence import pieces_of
from agent.web.study.pacs import pacs_link
from structured_report.content import Outcome, Presence, Priority
from structured_report.vocabulary import whole_vocabulary
from tests.support.drafted import DRAFT, TRACE, Desk, Drafted
from tests.support.films import small_image
from tests.support.planted_drafts import COMPARING_DRAFTS, SAID_AGAIN

Browser = Callable[[Role], TestClient]
ROOT = Path(__file__).parents[2] / "agent"
MARKUP = "<img src=x onerror=alert(1)>\"'&"


def page_of(client: TestClient, drafted: Drafted, query: str = "") -> str:
    answer = client.get(f"/studies/{drafted.uid}{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def linked(page: str) -> dict[str, tuple[str, ...]]:
    """Sentence -> findings, as the page links them."""
    found = re.findall(r'<a class="sentence[^"]*" href="#finding-\w+" data-findings="([^"]*)">(.*?)<span', page)
    return {html.unescape(words): tuple(concepts.split()) for concepts, words in found}


@pytest.fixture
def read_study(desk: Desk) -> Drafted:
    return desk.study([small_image()], boxes={})


def test_findings_words_and_films_of_a_study_are_on_its_page(desk: Desk, browser: Browser) -> None:
    drafted = desk.phantom()
    page = page_of(browser(Role.RADIOLOGIST), drafted)
    assert 'id="finding-pleural_effusion"' in page
    assert "91 %: of a hundred such answers, about 91 are right" in page
    assert "model value 66 %, not calibrated" in page, "what is not calibrated is no probability"
    for image in drafted.images:
        assert f"/studies/{drafted.uid}/images/{image.SOPInstanceUID}/preview?revision=1" in page
    assert "Pleural effusion, left: columns" in page, "boxes can be read without a script"
    for must in ("unverified", "not for diagnosis", "Shortness of breath.", "Pleural effusion is likely"):
        assert must in page


def test_every_sentence_leads_to_the_findings_that_the_grammar_takes_from_it(
    read_study: Drafted, browser: Browser
) -> None:
    found = linked(page_of(browser(Role.VIEWER), read_study))
    assert found["There is a moderate left pleural effusion with adjacent atelectasis."] == (
        "pleural_effusion",
        "atelectasis",
    )
    assert found["There is no pneumothorax."] == ("pneumothorax",)
    assert found["A right chest tube is in place."] == ("chest_tube",)
    assert (
        "pleural_effusion" in found["The left costophrenic angle is blunted, which suggests a left pleural effusion."]
    )
    assert "The film is slightly rotated." not in found


@pytest.mark.parametrize(
    "text", [DRAFT, TRACE, "", "No sentence", *COMPARING_DRAFTS, *(after for _, after in SAID_AGAIN)]
)
def test_the_pieces_of_a_text_are_the_text_and_each_finding_has_its_sentence(text: str) -> None:
    pieces = pieces_of(text)
    assert "".join(p.text + p.gap for p in pieces) == text
    for finding in label(text):
        told = [p for p in pieces if finding.concept in p.concepts]
        assert told, finding.concept
        # The label's own evidence is made of these very sentences.
        words = [re.sub(r"[.!;]+$", "", " ".join(p.text.split())) for p in told]
        assert all(w in finding.evidence for w in words) or len(finding.evidence) == 500


def test_the_number_of_a_list_is_no_part_of_the_sentence_before_it() -> None:
    trace = "3. **Pleura**: Both costophrenic angles are sharp.\n4. **Heart**: The heart is enlarged.\n"
    told = [p for p in pieces_of(trace) if p.concepts]
    assert [p.text for p in told] == [
        "**Pleura**: Both costophrenic angles are sharp.",
        "**Heart**: The heart is enlarged.",
    ]


def test_what_others_wrote_is_text_wherever_it_stands(desk: Desk, browser: Browser, context: WebContext) -> None:
    image = small_image(
        PatientName=f"Evil^{MARKUP}", PatientID="X<b>1", StudyDescription="<script>1</script>", AccessionNumber="A<i>"
    )
    read = Read(
        Outcome.READ,
        reasoning=f"I see {MARKUP}. No pneumothorax.",
        draft=f"There is a pleural effusion {MARKUP}.",
        impression=MARKUP,
        notes=(f"remark {MARKUP}",),
    )
    drafted = desk.study([image], read_as=read)
    desk.finished(drafted, "A nodule is seen <script>alert(2)</script>.")
    page = page_of(browser(Role.RADIOLOGIST), drafted)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for planted in ("<img src=x", "<b>1", "<script>1", "A<i>", "<script>alert(2)"):
        assert planted not in page, planted
    for name in ("Evil", MARKUP):
        assert name not in re.findall(r'(?:href|src|action)="([^"]*)"', page)


def test_a_withdrawn_or_superseded_result_cannot_be_taken_for_one_that_holds(desk: Desk, browser: Browser) -> None:
    image = small_image()
    desk.study([image], boxes={})
    withdrawn = Read(Outcome.WITHDRAWN, explanation="wrong patient <i>")
    drafted = desk.study([image], read_as=withdrawn, state="withdrawn")
    client = browser(Role.RADIOLOGIST)
    page = page_of(client, drafted)
    assert "WITHDRAWN." in page
    assert "wrong patient &lt;i&gt;" in page
    assert "SUPERSEDED" not in page
    assert "data-findings" not in page
    assert 'action="/studies' not in page, "nothing of it is to be judged"
    older = page_of(client, drafted, "?revision=1")
    assert "SUPERSEDED." in older
    assert 'id="finding-pleural_effusion"' in older
    assert client.get(f"/studies/{drafted.uid}?revision=3").status_code == 404
    assert client.get(f"/studies/{drafted.uid}?revision=x").status_code == 422


def test_a_reading_that_was_withheld_says_why_in_words_and_in_german(desk: Desk, browser: Browser) -> None:
    drafted = desk.study(
        [small_image()], read_as=Read.abstained("no-final-answer", "the model's reply has no final answer")
    )
    client = browser(Role.VIEWER)
    page = page_of(client, drafted)
    assert "The model came to no final answer." in page
    assert "That does not mean that the film is normal." in page
    assert "raised no objection" not in page, "the checks had nothing to look at"
    client.headers["Accept-Language"] = "de"
    page = page_of(client, drafted)
    assert "Das Modell kam zu keiner endgültigen Antwort." in page
    assert "Zur Durchsicht neben dem PACS, nicht zur Befundung." in page
    assert "in 12,5 s" in page


def test_a_study_that_was_not_analysed_shows_its_films_and_why_each_was_not_read(desk: Desk, browser: Browser) -> None:
    image = small_image(ViewPosition="")
    drafted = desk.study(
        [image], read_as=Read(Outcome.NOT_ANALYSED, "view-unknown", "nothing says so"), probabilities=()
    )
    page = page_of(browser(Role.VIEWER), drafted)
    assert "Not analysed." in page
    assert "Nothing in the header says from where the film was taken." in page
    assert f"images/{image.SOPInstanceUID}/preview" in page


def test_a_study_whose_own_film_was_rejected_shows_that_film_and_its_own_date_beside_the_earlier_one(
    desk: Desk, browser: Browser
) -> None:
    image = small_image(ViewPosition="", StudyDate="20260103")  # what reading rejects has no role either
    prior = small_image(StudyDate="20240517", StudyDescription="Chest two years ago")
    rejected = Read(Outcome.NOT_ANALYSED, "view-unknown", "nothing says so")
    drafted = desk.study([image], read_as=rejected, prior=prior, probabilities=())
    page = page_of(browser(Role.VIEWER), drafted)
    header = page[page.index('class="study-head"') : page.index("</header>", page.index('class="study-head"'))]
    assert "2026-01-03" in header
    assert "2024-05-17" not in header, "the date of another examination"
    assert "Chest two years ago" not in header
    films = re.findall(r'<figure class="film" data-at="[^"]*/images/([0-9.]+)"[^>]*data-role="(\w*)"', page)
    assert films == [(str(image.SOPInstanceUID), ""), (str(prior.SOPInstanceUID), "prior")]
    assert re.search(r"<b>Earlier film</b>[^<]*2024-05-17", page)


def test_a_study_that_was_only_flagged_shows_what_is_likely(desk: Desk, browser: Browser) -> None:
    page = page_of(browser(Role.VIEWER), desk.study([small_image()], read=False))
    assert "Not read yet." in page
    assert "91 %" in page
    assert 'action="/studies' not in page, "there is no draft to judge"


def test_a_study_in_doubt_says_that_nothing_leaves(desk: Desk, browser: Browser, context: WebContext) -> None:
    drafted = desk.study([small_image()], boxes={})
    with context.ledger.begin() as tx:
        studies.set_state(
            tx, drafted.uid, studies.NEEDS_ATTENTION, reason="patient-differs", explanation="in <b>name</b>"
        )
    page = page_of(browser(Role.VIEWER), drafted)
    assert "A person has to look first" in page
    assert "The images of the study name different patients." in page
    assert "in &lt;b&gt;name" in page


def test_a_study_that_is_still_arriving_shows_what_is_there(desk: Desk, browser: Browser) -> None:
    image = small_image()
    desk.keep(image)
    page = page_of(browser(Role.VIEWER), Drafted(str(image.StudyInstanceUID), 0, 0, (image,)))
    assert "Images are still arriving." in page
    assert "None yet" in page
    assert f"images/{image.SOPInstanceUID}/preview" in page


def test_an_open_page_can_tell_that_it_has_been_overtaken(desk: Desk, browser: Browser) -> None:
    image = small_image()
    drafted = desk.study([image], boxes={})
    client = browser(Role.VIEWER)

    def standing() -> str:
        return str(client.get(f"/studies/{drafted.uid}/standing").json()["standing"])

    assert f'data-standing="{standing()}"' in page_of(client, drafted)
    before = standing()
    desk.study([image], read_as=Read(Outcome.WITHDRAWN, explanation="wrong patient"), state="withdrawn")
    assert standing() != before


def test_a_study_that_is_not_here_is_not_found(browser: Browser) -> None:
    assert browser(Role.VIEWER).get("/studies/1.2.3").status_code == 404


def test_the_link_to_the_pacs_names_the_study_and_cannot_be_bent(
    desk: Desk, browser: Browser, context: WebContext
) -> None:
    template = "https://pacs.example.org/v?s={study_instance_uid}&a={accession_number}"
    made = pacs_link(template, study_instance_uid="1.2", accession_number='A&x=1#"> é')
    assert made == "https://pacs.example.org/v?s=1.2&a=A%26x%3D1%23%22%3E%20%C3%A9"
    assert pacs_link(template, study_instance_uid="1.2", accession_number=" ") == "", "half a link leads elsewhere"
    drafted = desk.study([small_image()], read=False)
    assert "Open in PACS" not in page_of(browser(Role.VIEWER), drafted), "none is set"


def _kebab(*rooms: str) -> Iterator[str]:
    """Every text in these modules that has the form of a code, or stands where one does: ``code="..."``, ``("...", "words of it")``."""
    for room in rooms:
        for node in ast.walk(ast.parse((ROOT / room).read_text("utf-8"))):
            named = node.value if isinstance(node, ast.keyword) and node.arg == "code" else node
            text = _text(named)
            if text and (named is not node or re.fullmatch(r"[a-z]{3,}(-[a-z]{2,})+", text)):
                yield text
            elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and " " in _text(node.elts[1]):
                yield _text(node.elts[0])


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


# Texts of that form which are no code that a person sees on the page of a study.
NO_CODES = {"prior-then-current", "other", "frontal", "lateral", ""}


def _codes() -> dict[str, set[str]]:
    images = {
        *_kebab("imaging/views.py", "imaging/claims.py", "imaging/quality.py", "imaging/decode.py", "imaging/render.py")
    }
    images |= {*_kebab("imaging/headers.py", "imaging/inflate.py", "reading/pictures.py")}
    images |= {
        f"{kind}-{role}{end}" for role in ("frontal", "lateral") for kind, end in (("used", ""), ("newer", "-used"))
    }
    images -= NO_CODES
    outcomes = {*_kebab("model/parsing.py", "reading/common.py")} - NO_CODES
    doubts = {*_kebab("orders/weigh.py", "orders/matching.py", "orders/people.py")}
    return {
        "guard": {str(c) for c in Code},
        "effect": {str(e) for e in Effect},
        "image": images,
        "outcome": outcomes,
        "doubt": doubts,
    }


@pytest.mark.parametrize("language", Texts().languages)
def test_every_code_of_the_program_has_its_words_in_every_language(language: str) -> None:
    words = Texts().of(language)
    known = {k for room in ("guard", "effect", "image", "outcome", "doubt") for k in words.starting(f"codes.{room}.")}
    for room, codes in _codes().items():
        assert len(codes) > 3, "the codes have moved; say here where they are now"
        lacking = codes - ({*words.starting(f"codes.{room}.")} if room in ("guard", "effect") else known)
        assert not lacking, (room, lacking)
    vocabulary = whole_vocabulary()
    wanted = [f"findings.name.{c}" for c in vocabulary.concepts]
    wanted += [f"findings.place.{p}" for p in vocabulary.places] + [
        f"findings.severity.{s}" for s in vocabulary.severities
    ]
    wanted += [f"findings.presence.{p}" for p in Presence] + [f"findings.priority.{p}" for p in Priority]
    wanted += [f"study.outcome.{o}" for o in Outcome]
    assert [k for k in wanted if not words.has(k)] == []


def test_the_texts_of_the_page_are_whole_in_both_languages() -> None:
    texts = Texts()
    english, german = (texts.of(name).everything() for name in ("en", "de"))
    rooms = ("study.", "codes.", "findings.")
    assert {k for k in english if k.startswith(rooms)} == {k for k in german if k.startswith(rooms)}
    for key, text in english.items():
        if key.startswith(rooms):
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", german[key])), key


def test_a_number_that_turns_itself_round_is_shown_as_it_stands(
    desk: Desk, browser: Callable[[Role], TestClient]
) -> None:
    image = small_image()
    image.SpecificCharacterSet, image.PatientID, image.PatientName = (
        "ISO_IR 192",
        "\u202e4321",
        "\u0645\u062d\u0645\u062f^Ali",
    )
    page = browser(Role.VIEWER).get(f"/studies/{desk.study([image], boxes={}).uid}").text
    assert "ID 4321" in page
    assert "\u202e" not in page
    assert "\u0645\u062d\u0645\u062f, Ali" in page
