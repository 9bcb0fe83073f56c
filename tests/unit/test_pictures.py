"""A box beside what it marks, a letter that is missing, or a picture that does not say what it is: what a reader of pictures would lose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image, ImageDraw

from agent.imaging.facts import facts_of
from agent.imaging.views import select_images
from agent.reading.build import MANUFACTURER
from agent.settings import Gate
from structured_report.content import BANNER, Laterality, Narrative, Outcome, PreRead, Region
from structured_report.lettering import NOT_SHOWN, Type, broken, font, height, length, sentences, showable
from structured_report.picture import ALARM, HEIGHT, MORE, WARNING, WIDTH, draw_picture
from structured_report.presentation import encode_presentation_state, images_with_boxes
from structured_report.secondary_capture import encode_picture
from tests.support import pictures
from tests.support.pictures import PLACE, about, box_drawn, film, seen
from tests.support.reports import TEXTS, images, preread, prereads

EVIDENCE = images()
FILMS = [seen(EVIDENCE[0]), seen(EVIDENCE[1], "lateral")]
STORED = [
    *({"turn": turn} for turn in pictures.TURNS),
    {"turn": "upright", "monochrome1": True},
    {"turn": "quarter-turn", "monochrome1": True},
    {"turn": "upright", "tall_pixels": True},
    {"turn": "transposed", "tall_pixels": True},
    {"turn": "mirrored", "window": False},
]


@pytest.mark.parametrize("how", STORED, ids=lambda how: "-".join(str(v) for v in how.values()))
def test_the_box_lies_around_what_it_marks_however_the_film_is_stored(how: dict[str, object]) -> None:
    """Measured in the pixels of the picture: the square is bright, what is around it is dark, the spot is in its upper left."""
    turn = str(how["turn"])
    image = film(**how)  # type: ignore[arg-type]
    picture = draw_picture(about(image, turn), [seen(image)])
    left, top, right, bottom = box_drawn(picture)
    inside = picture[top + 40 : bottom - 8, left + 8 : right - 8].mean(axis=(0, 1))
    assert inside.min() > 130
    for y, x in (
        (bottom + 20, (left + right) // 2),
        ((top + bottom) // 2, left - 20),
        ((top + bottom) // 2, right + 20),
    ):
        assert picture[y, x].max() < 90, "outside the box there is none of it"
    spot = picture[top + 6 : top + 14, left + 6 : left + 14].mean()
    assert spot > 220, "the patient's right is on the left and the head is up, as it was read"
    rows, columns = seen(image).pixels.shape
    scale = (right - left) / (240 if how.get("tall_pixels") is None else 240 * columns / 800)
    assert (bottom - top) / scale == pytest.approx(120 * rows / 1000, abs=6), "in the proportions of the film"


def test_a_box_beyond_the_film_is_cut_at_its_edge_and_one_without_area_is_none() -> None:
    image = film()
    value = about(image)
    uid = value.regions[0].sop_instance_uid
    outside = Region("pneumothorax", uid, 5000, 5000, 6000, 6000, Laterality.RIGHT)
    wide = Region("pneumothorax", uid, -50, 300, 420, 420, Laterality.RIGHT)
    made = encode_presentation_state(replace(value, regions=(outside, wide)), image, PLACE)
    (drawn,) = made.GraphicAnnotationSequence[0].GraphicObjectSequence
    assert list(drawn.GraphicData) == [0, 300, 420, 300, 420, 420, 0, 420, 0, 300]
    assert images_with_boxes(replace(value, regions=(outside,)), [image]) == []


@settings(max_examples=25, deadline=None)
@given(prereads(EVIDENCE))
def test_any_pre_read_becomes_a_picture_that_says_what_it_is(value: PreRead) -> None:
    picture = draw_picture(value, FILMS)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture.dtype == np.uint8
    assert (picture[4, 4:-4] == WARNING).all(), "the banner lies over the whole width"
    withdrawn = value.outcome is Outcome.WITHDRAWN
    assert bool((picture[:, 4] == ALARM).all(axis=1).any()) == (withdrawn or value.provenance.for_commissioning)
    assert np.array_equal(picture, draw_picture(value, FILMS)), "the same again is the same picture"


def test_the_whole_banner_stands_in_the_picture() -> None:
    """Drawn apart from the rest, in the same place, the words give the same pixels."""
    picture = draw_picture(preread(EVIDENCE), FILMS)
    first, _, rest = BANNER.partition(". ")
    expected = Image.new("RGB", (WIDTH, 120), WARNING)
    canvas = ImageDraw.Draw(expected)
    heavy, plain = Type(56, (0, 0, 0), heavy=True), Type(30, (0, 0, 0))
    canvas.text((28, 14), f"{first}.", font=font(56), fill=(0, 0, 0), stroke_width=heavy.stroke, stroke_fill=(0, 0, 0))
    canvas.text((28, 14 + heavy.leading), rest, font=font(30), fill=(0, 0, 0))
    assert length(rest, plain) < WIDTH - 56
    assert np.array_equal(picture[:120], np.asarray(expected))


def test_nothing_of_the_patient_stands_in_the_pixels() -> None:
    """The same pre-read of somebody else is the same picture."""
    one = preread(EVIDENCE)
    patient = replace(one.study.patient, name="Quixote^Alonso", patient_id="ZZ9", birth_date="19991231", sex="M")
    other = replace(one, study=replace(one.study, patient=patient))
    withdrawn = replace(one, outcome=Outcome.WITHDRAWN, explanation="It was Alonso Quixote.")
    assert np.array_equal(draw_picture(one, FILMS), draw_picture(other, FILMS))
    assert np.array_equal(draw_picture(withdrawn, []), draw_picture(replace(withdrawn, explanation="x"), []))


@pytest.mark.parametrize(
    "text", ["右気胸。", "Пневмоторакс справа.", "Épanchement pleural.", "No pneumothorax\u0301.", "a \U0001fac1 b"]
)
def test_a_text_with_letters_that_the_font_has_not_is_not_shown_in_part(text: str) -> None:
    assert showable(f"There is no effusion. {text}") is None
    lines = broken(f"There is no effusion. {text}", Type(28, (255, 255, 255)), 600)
    assert " ".join(line.text for line in lines) == NOT_SHOWN
    said = preread(EVIDENCE, narrative=Narrative(text))
    also = preread(EVIDENCE, narrative=Narrative(f"Other words. {text}"))
    assert np.array_equal(draw_picture(said, FILMS), draw_picture(also, FILMS))


@given(TEXTS)
def test_what_is_shown_is_the_whole_text_in_letters_that_exist(text: str) -> None:
    shown = showable(text)
    if shown is None:
        return
    missing = font(24).getmask("\uffff")
    for character in set(shown) - {"\n"}:
        mask = font(24).getmask(character)
        assert mask.size != missing.size or bytes(mask) != bytes(missing)
    style = Type(28, (255, 255, 255))
    lines = broken(text, style, 600)
    assert "".join("".join(line.text for line in lines).split()) == "".join(shown.split())
    assert all(length(line.text, style) <= 600 for line in lines)


def test_english_is_shown_and_signs_are_spelt() -> None:
    assert showable("No “free air” – the apex is ≥ 2 cm…") == "No “free air” - the apex is >= 2 cm…"


def test_what_does_not_fit_ends_after_a_sentence_and_says_that_there_is_more() -> None:
    """Half a sentence may say the opposite of the whole."""
    ends = [f"There is no sign of finding number {n} in this film." for n in range(200)]
    long = preread(EVIDENCE, narrative=Narrative(" ".join(ends)))
    short = preread(EVIDENCE, narrative=Narrative(" ".join(ends[:3])))
    picture = draw_picture(long, FILMS)
    more = font(25).getmask(MORE)
    assert more.size[0] > 100
    column = slice(680, WIDTH - 28)
    said = (picture[200:1120, column] == WARNING).all(axis=2).any()
    unsaid = (draw_picture(short, FILMS)[200:1120, column] == WARNING).all(axis=2).any()
    assert said
    assert not unsaid
    assert sentences("One. Two! Three?\nFour") == ["One.", "Two!", "Three?", "Four"]
    assert height([]) == 0


@pytest.mark.parametrize("outcome", [Outcome.ABSTAINED, Outcome.NOT_ANALYSED, Outcome.WITHDRAWN])
def test_a_film_that_was_not_read_is_not_shown_as_if_it_had_been(outcome: Outcome) -> None:
    value = preread(EVIDENCE, outcome=outcome)
    assert np.array_equal(draw_picture(value, FILMS), draw_picture(value, []))
    assert not np.array_equal(draw_picture(preread(EVIDENCE), FILMS), draw_picture(preread(EVIDENCE), []))


def test_a_lateral_film_is_shown_where_something_on_it_is_marked() -> None:
    value = preread(EVIDENCE)
    box = Region("pleural_effusion", FILMS[1].sop_instance_uid, 100, 600, 300, 800, Laterality.LEFT)
    marked = draw_picture(replace(value, regions=(box,)), FILMS)
    left, _, right, _ = box_drawn(marked)
    assert 460 < left < right < 880, "on the second of two films"
    frontal = replace(box, sop_instance_uid=FILMS[0].sop_instance_uid)
    left, _, right, _ = box_drawn(draw_picture(replace(value, regions=(frontal,)), FILMS))
    assert 28 < left < right < 460, "which is not there without it"


def test_the_object_says_what_it_is_and_is_the_same_again() -> None:
    image = film()
    value = about(image)
    made = encode_picture(value, [image], [seen(image)], PLACE)
    assert made == encode_picture(value, [image], [seen(image)], PLACE)
    assert (made.BurnedInAnnotation, made.ConversionType, made.SeriesDescription) == (
        "YES",
        "WSD",
        PLACE.series_description,
    )
    assert list(made.ImageType[:2]) == ["DERIVED", "SECONDARY"]
    assert [i.ReferencedSOPInstanceUID for i in made.SourceImageSequence] == [image.SOPInstanceUID]
    assert str(made.PatientName) == value.study.patient.name
    assert made.StudyInstanceUID == image.StudyInstanceUID
    assert made.SeriesInstanceUID not in (image.SeriesInstanceUID, value.sr_series_uid)
    assert made.ContributingEquipmentSequence[0].DeviceUID == value.provenance.device_uid
    assert "SourceImageSequence" not in encode_picture(replace(value, images=()), [image], [], PLACE)


def test_a_picture_that_comes_back_is_not_taken_for_a_film() -> None:
    image = film()
    made = replace(about(image), provenance=replace(about(image).provenance, manufacturer=MANUFACTURER))
    facts = facts_of(encode_picture(made, [image], [seen(image)], PLACE))
    assert facts.is_own_picture
    assert not facts_of(image).is_own_picture
    (selection,) = select_images([facts], Gate())
    assert not selection.used


def test_a_film_that_lost_something_does_not_become_one_that_did_not() -> None:
    image = film()
    image.LossyImageCompression, image.LossyImageCompressionRatio = "01", "10"
    image.LossyImageCompressionMethod = "ISO_10918_1"
    made = encode_picture(about(image), [image], [seen(image)], PLACE)
    assert (made.LossyImageCompression, made.LossyImageCompressionRatio) == ("01", 10)
    assert encode_picture(about(film()), [film()], [seen(film())], PLACE).LossyImageCompression == "00"


def test_a_state_without_boxes_says_that_earlier_ones_hold_no_longer() -> None:
    image = film()
    words = lambda v: encode_presentation_state(v, image, PLACE).GraphicAnnotationSequence[0]  # noqa: E731
    bare = words(replace(about(image), regions=()))
    assert "GraphicObjectSequence" not in bare
    assert "No box of an earlier" in bare.TextObjectSequence[0].UnformattedTextValue
    withdrawn = words(replace(about(image), outcome=Outcome.WITHDRAWN, explanation="x"))
    assert "GraphicObjectSequence" not in withdrawn
    assert withdrawn.TextObjectSequence[0].UnformattedTextValue.startswith("WITHDRAWN")
    boxed = words(about(image))
    assert boxed.TextObjectSequence[0].UnformattedTextValue == BANNER
    assert boxed.TextObjectSequence[1].UnformattedTextValue == "1 Pneumothorax, right"


def test_no_state_is_made_for_what_is_not_grey() -> None:
    image = film()
    image.PhotometricInterpretation = "RGB"
    assert images_with_boxes(about(image), [image]) == []
    with pytest.raises(ValueError, match="grayscale"):
        encode_presentation_state(about(image), image, PLACE)
