"""A name that comes out as another name is another patient: names and texts in every character set of DICOM, through the
program's own receiver, into the Structured Report and the HL7 message, and read there by DCMTK, pydicom and the `hl7` package."""

from __future__ import annotations

import subprocess
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.filereader import read_dataset

from agent.imaging.characters import WHOLE_SETS, Undecodable, decode, make_readable
from agent.imaging.facts import InstanceFacts, facts_of, unreadable_identity
from agent.imaging.headers import load_header
from agent.imaging.render import render_file
from agent.intake.identity import study_of
from agent.reporting.beside import KINDS, make
from agent.settings import Intake
from structured_report.content import Laterality, PreRead, Region
from structured_report.hl7_characters import fit
from structured_report.oru_form import OruForm
from structured_report.sr import encode_sr, file_bytes
from tests.support.films import small_image
from tests.support.forms import plain, received, sent
from tests.support.node import Node, encoded
from tests.support.reports import preread

pytestmark = [pytest.mark.peers, pytest.mark.requirement("NAMES-1"), pytest.mark.xdist_group("character-sets")]
ESC = "\x1b"


@dataclass(frozen=True, slots=True)
class Sample:
    """A name and a description as a device writes them, and as they are meant.

    Attributes:
        declared: Specific Character Set; None: there is none.
        hl7: a set of HL7 that has all of its letters, beside UTF-8.
    """

    declared: str | None
    name_bytes: bytes
    name: str
    text_bytes: bytes
    text: str
    hl7: str


def one(declared: str | None, name: str, text: str, codec: str, hl7: str) -> Sample:
    return Sample(declared, name.encode(codec), name, text.encode(codec), text, hl7)


def _jis(text: str, codec: str = "iso2022_jp") -> bytes:
    return text.encode(codec)


SAMPLES = {
    "ISO 646, undeclared": one(None, "O'Neil^Ann Mary^^Dr.^PhD", "Chest ~ [2] {views}", "ascii", "ASCII"),
    "ISO_IR 6": one("ISO_IR 6", "Smith^John", "Chest", "ascii", "ASCII"),
    "ISO_IR 100": one("ISO_IR 100", "Müller^Jürgen^Ångström", "Thorax übersicht", "iso8859-1", "8859/1"),
    "ISO_IR 101": one("ISO_IR 101", "Wałęsa^Łukasz", "Klatka piersiowa, zdjęcie", "iso8859-2", "8859/2"),
    "ISO_IR 109": one("ISO_IR 109", "Ħaġar^Ġorġ", "Sider, ħarsa", "iso8859-3", "8859/3"),
    "ISO_IR 110": one("ISO_IR 110", "Bērziņš^Jānis", "Krūškurvis", "iso8859-4", "8859/4"),
    "ISO_IR 144": one("ISO_IR 144", "Люкceмбypг^Роза", "Рентген лёгких", "iso8859-5", "8859/5"),
    "ISO_IR 127": one("ISO_IR 127", "قباني^لنزار", "أشعة الصدر", "iso8859-6", "8859/6"),
    "ISO_IR 126": one("ISO_IR 126", "Διονυσιος^Άννα", "Ακτινογραφία θώρακα", "iso8859-7", "8859/7"),
    "ISO_IR 138": one("ISO_IR 138", "שרון^דבורה", "צילום חזה", "iso8859-8", "8859/8"),
    "ISO_IR 148": one("ISO_IR 148", "Çavuşoğlu^İsmail", "Göğüs filmi ışığı", "iso8859-9", "8859/9"),
    "ISO_IR 203": one("ISO_IR 203", "Œuvrard^Šárka", "Thorax, 5 €", "iso8859-15", "8859/15"),
    "ISO_IR 166": one("ISO_IR 166", "สมชาย^ใจดี", "เอกซเรย์ทรวงอก", "tis-620", "UNICODE UTF-8"),
    "ISO_IR 192": one(
        "ISO_IR 192", "Wang^XiaoDong=王^小东=ワン^シャオドン", "胸部 X 線 ≥ 2 方向 🫁", "utf-8", "UNICODE UTF-8"
    ),
    "ISO_IR 192, accents that stand alone": one(
        "ISO_IR 192", "Mu\u0308ller^Andre\u0301", "Thorax u\u0308bersicht", "utf-8", "8859/1"
    ),
    "ISO_IR 192, spaces and joiners": one(
        "ISO_IR 192", "Ali\u200creza^\u200fرضا=山田\u3000太郎", "胸部\u3000正面", "utf-8", "UNICODE UTF-8"
    ),
    "GB18030": one("GB18030", "Wang^XiaoDong=王^小东", "胸部正位\u3400", "gb18030", "GB 18030-2000"),
    # The second bytes of these are a backslash, a caret and a bar in ASCII.
    "GBK": one("GBK", "Chen^Ming=陳^銘誠", "昞昪昢胸", "gbk", "GB 18030-2000"),
    "GBK, second bytes like delimiters": Sample(
        "GBK", b"X^Y=\x81\x5c\x81\x5e", "X^Y=" + b"\x81\x5c\x81\x5e".decode("gbk"),
        b"\x81\x7c\x81\x5c", b"\x81\x7c\x81\x5c".decode("gbk"), "GB 18030-2000",
    ),
    # PS3.5 H.3.1
    "Japanese, ISO 646 first": Sample(
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう", b"\x1b$B6;It\x1b(B PA", "胸部 PA", "ISO IR87",
    ),
    # PS3.5 H.3.2
    "Japanese, JIS X 0201 first": Sample(
        "ISO 2022 IR 13\\ISO 2022 IR 87",
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", b"\x1b$B6;It\x1b(J", "胸部", "UNICODE UTF-8",
    ),
    "Japanese, both halves of every kanji like a delimiter": Sample(
        "\\ISO 2022 IR 87", b"Aki^Izu=\x1b$B=)=P\x1b(B^\x1b$B=\\^B\x1b(B",
        "Aki^Izu=" + _jis("秋出").decode("iso2022_jp") + "^" + b"\x1b$B=\\^B\x1b(B".decode("iso2022_jp"),
        b"\x1b$B=)\x1b(B", "秋", "ISO IR87",
    ),
    "Japanese, supplementary kanji": Sample(
        "\\ISO 2022 IR 87\\ISO 2022 IR 159",
        b"Asai^X=\x1b$(D" + b"0!0\"" + b"\x1b(B^\x1b$BB@\x1b(B",
        "Asai^X=" + b"\x1b$(D0!0\"\x1b(B".decode("iso2022_jp_1") + "^太", b"PA", "PA", "ISO IR159",
    ),
    "ISO_IR 13": Sample(
        "ISO_IR 13", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3 ~", "ﾔﾏﾀﾞ^ﾀﾛｳ \u203e", b"\xb7\xae\xb3\xcc\xde ~2", "ｷｮｳﾌﾞ \u203e2",
        "UNICODE UTF-8",
    ),
    # PS3.5 I.2
    "Korean": Sample(
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동", b"\x1b$)C\xc8\xe4\xba\xce PA", "흉부 PA", "KS X 1001",
    ),
    # PS3.5 K.2
    "Chinese, ISO 2022 IR 58": Sample(
        "\\ISO 2022 IR 58",
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东",
        b"\x1b$)A\xd0\xd8\xb2\xbf", "胸部", "GB 18030-2000",
    ),
    "two single byte sets": Sample(
        "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126",
        "Müller^".encode("iso8859-1") + b"\x1b-L" + "Роза".encode("iso8859-5") + b"^\x1b-F" + "Άννα".encode("iso8859-7")
        + b"^\xfc", "Müller^Роза^Άννα^ü", b"\xfc\x1b-L" + "Р".encode("iso8859-5") + b"\r\n\xfc", "üР\r\nü", "UNICODE UTF-8",
    ),
    "a name longer than the standard allows": one(
        "ISO_IR 100", f"{'Müllerowitsch-' * 9}^{'Jürgen' * 15}", "Ü" * 64, "iso8859-1", "8859/1"
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node(tmp_path_factory.mktemp("node"))
    yield made
    made.stop()


def as_sent(declared: str | None, name: bytes, text: bytes = b"Chest") -> tuple[bytes, str, str]:
    """The data set with exactly those bytes in Patient's Name and Study Description; its UIDs of instance and study."""
    marks = {"PatientName": "N" * len(name), "StudyDescription": "D" * len(text)}
    image = small_image(**marks, **({} if declared is None else {"SpecificCharacterSet": declared.split("\\")}))
    data = encoded(image)
    for mark, value in ((marks["PatientName"], name), (marks["StudyDescription"], text)):
        assert data.count(mark.encode()) == 1
        data = data.replace(mark.encode(), value)
    return data, str(image.SOPInstanceUID), str(image.StudyInstanceUID)


def arrived(node: Node, declared: str | None, name: bytes, text: bytes = b"Chest") -> tuple[InstanceFacts, Path]:
    """What the receiver has written down of it, and the file it keeps."""
    data, instance, study = as_sent(declared, name, text)
    assert node.send(data, instance=instance)[0] == 0x0000, "an image is kept whatever its letters are"
    (stored,) = node.images(study)
    return InstanceFacts.from_json(stored.facts), node.files.path(stored.path)


def reported(node: Node, sample: Sample) -> tuple[PreRead, bytes]:
    """The pre-read of it, and its Structured Report."""
    facts, path = arrived(node, sample.declared, sample.name_bytes, sample.text_bytes)
    header = load_header(path)
    value = replace(preread([header]), study=study_of([facts]))
    return value, file_bytes(encode_sr(value, [header]))


def dcmtk(path: Path, tag: str) -> str:
    """A top-level element's value as DCMTK reads it, in UTF-8."""
    done = subprocess.run(["/usr/bin/dcm2xml", "+U8", str(path)], capture_output=True, check=True)
    # A text may hold characters of XML that DCMTK writes as they are; ElementTree reads what is well-formed.
    root = ET.fromstring(done.stdout)
    found = [e.text or "" for e in root.iterfind("./data-set/element") if e.get("tag") == tag]
    assert len(found) == 1
    return found[0]


def without_empty_groups(name: str) -> str:
    return "=".join(group.rstrip("^") for group in name.split("=")).rstrip("=")


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_name_comes_out_of_the_report_as_it_was_meant(sample: Sample, node: Node, tmp_path: Path) -> None:
    _, report = reported(node, sample)
    path = tmp_path / "sr.dcm"
    path.write_bytes(report)
    back = dcmread(path)
    assert back.SpecificCharacterSet == "ISO_IR 192"
    assert str(back.PatientName) == sample.name
    assert dcmtk(path, "0010,0010") == sample.name
    one_line = " ".join(unicodedata.normalize("NFC", sample.text).split())
    assert str(back.StudyDescription) == one_line[:64]
    assert dcmtk(path, "0008,1030") == one_line[:64]
    dumped = subprocess.run(["/usr/bin/dcmdump", "+U8", "+P", "0010,0010", str(path)], capture_output=True, check=True)
    assert sample.name in dumped.stdout.decode() or len(sample.name) > 60


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_name_comes_out_of_what_stands_beside_the_report(
    sample: Sample, kind: str, node: Node, tmp_path: Path
) -> None:
    facts, path = arrived(node, sample.declared, sample.name_bytes, sample.text_bytes)
    header = load_header(path)
    value = preread([header])
    box = Region("pleural_effusion", facts.sop_instance_uid, 10, 20, 40, 60, Laterality.LEFT)
    value = replace(value, study=study_of([facts]), regions=(box,))
    ((_, document),) = make(kind, value, [header], lambda _uid: render_file(path), None)
    made = tmp_path / f"{kind}.dcm"
    made.write_bytes(document)
    assert dcmread(made).SpecificCharacterSet == "ISO_IR 192"
    assert dcmtk(made, "0010,0010") == sample.name


@pytest.mark.parametrize("form", [OruForm(), OruForm(version="2.3.1", text="nte"), None], ids=["2.5.1", "2.3.1", "own"])
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_a_name_comes_out_of_the_message_as_it_was_meant(sample: Sample, form: OruForm | None, node: Node) -> None:
    value, _ = reported(node, sample)
    form = form or OruForm(character_set=sample.hl7)
    message = received(sent(value, form), form)
    family, given, middle, suffix, prefix = 0, 1, 2, 3, 4
    groups = []
    for repetition in str(message.segment("PID")[5]).split("~"):
        parts = [plain(message, c) for c in (repetition.split("^") + [""] * 5)[:5]]
        groups.append("^".join(parts[n] for n in (family, given, middle, prefix, suffix)).rstrip("^"))
    in_set = sample.name if form.character_set == "UNICODE UTF-8" else unicodedata.normalize("NFC", sample.name)
    assert fit(in_set, form.character_set)[1] == 0, "the sample's own set has its letters"
    assert "=".join(groups) == without_empty_groups(in_set)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_others_read_the_image_as_we_do(sample: Sample, node: Node) -> None:
    """DCMTK, and pydicom for the kanji that DCMTK's conversion library has not."""
    _, path = arrived(node, sample.declared, sample.name_bytes, sample.text_bytes)
    done = subprocess.run(["/usr/bin/dcm2xml", "+U8", str(path)], capture_output=True, check=False)
    if sample.declared == "ISO_IR 203":  # of 2023, and newer than the others' programs
        assert done.returncode
    elif done.returncode:
        assert "IR 87" in str(sample.declared), done.stderr
        assert str(dcmread(path).PatientName) == sample.name
    else:
        assert dcmtk(path, "0010,0010").rstrip("=") == sample.name


REFUSED = {
    "Latin-1, and none declared": (None, "Müller^Jürgen".encode("iso8859-1")),
    "UTF-8, and none declared": (None, "Müller^Jürgen".encode()),
    "UTF-8, and ISO_IR 6 declared": ("ISO_IR 6", "Müller^Jürgen".encode()),
    "Latin-1, and UTF-8 declared": ("ISO_IR 192", "Müller^Jürgen".encode("iso8859-1")),
    "UTF-8, and Arabic declared": ("ISO_IR 127", "Müller^Jürgen".encode()),
    "Shift JIS, and JIS X 0201 declared": ("ISO_IR 13", "山田^太郎".encode("shift_jis")),
    "Windows 1252, and Latin-1 declared": ("ISO_IR 100", "D\u2019Arcy^Zo\u00eb".encode("cp1252")),
    "a set that nobody knows": ("ISO_IR 999", "Müller^Jürgen".encode("iso8859-1")),
    "escapes, and none declared": (None, b"Yamada=\x1b$B;3ED\x1b(B"),
    "escapes, and no code extension declared": ("ISO_IR 100", b"Yamada=\x1b$B;3ED\x1b(B"),
    "escapes, and UTF-8 declared": ("ISO_IR 192", b"Yamada=\x1b$B;3ED\x1b(B"),
    "an escape that nobody knows": ("\\ISO 2022 IR 87", b"Yamada=\x1b$Z;3ED\x1b(B"),
    "kanji that go on over a delimiter": ("\\ISO 2022 IR 87", b"Yamada=\x1b$B;3ED^B@O:\x1b(B"),
    "hangul that goes on over a delimiter": ("\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\xd1\xce\xd4\xd7"),
    "half a kanji": ("\\ISO 2022 IR 87", b"Yamada=\x1b$B;3E\x1b(B"),
    "half a hanzi": ("GB18030", b"Wang=\xcd"),
    "a name cut in the middle of a letter": ("ISO_IR 192", "Müller^Jürge".encode() + b"\xc3"),
}


@pytest.mark.parametrize(("declared", "name"), REFUSED.values(), ids=REFUSED.keys())
def test_a_name_that_the_declared_set_has_not_is_never_guessed(declared: str | None, name: bytes, node: Node) -> None:
    facts, path = arrived(node, declared, name)
    assert facts.patient_name == ""
    assert "Patient's Name" in unreadable_identity([facts])
    assert name in path.read_bytes(), "the image is kept as it came"
    assert "PatientName" not in load_header(path)
    assert facts.study_description == "Chest", "what can be read is read"


@pytest.mark.parametrize(
    ("meant", "name", "expected"),
    [
        ("ISO_IR 100", b"M\xfcller^J\xfcrgen", "Müller^Jürgen"),
        ("ISO_IR 192", b"M\xc3\xbcller", "Müller"),
        ("ISO_IR 192", b"M\xfcller", ""),
        ("GBK", b"X=\x81\x5c", "X=" + b"\x81\x5c".decode("gbk")),
    ],
)
def test_a_site_says_what_its_devices_mean_that_declare_nothing(
    meant: str, name: bytes, expected: str, tmp_path: Path
) -> None:
    node = Node(tmp_path, undeclared=meant)
    try:
        assert arrived(node, None, name)[0].patient_name == expected
        assert arrived(node, "ISO_IR 127", b"M\xfcller")[0].patient_name == "", "it is never what is declared wrong"
    finally:
        node.stop()


def test_texts_in_sequences_have_the_set_of_their_item_or_that_around_it() -> None:
    inner, outer = Dataset(), Dataset()
    outer.RequestedProcedureID, inner.RequestedProcedureID = "ПРОЦ", "Ü1"
    inner.SpecificCharacterSet = "ISO_IR 100"
    image = small_image(SpecificCharacterSet="ISO_IR 144", RequestAttributesSequence=[outer, inner])
    for implicit in (False, True):
        header = read_dataset(BytesIO(encoded(image, implicit=implicit)), implicit, True)
        assert make_readable(header) == ()
        assert make_readable(header) == (), "once more changes nothing"
        assert [i.RequestedProcedureID for i in header.RequestAttributesSequence] == ["ПРОЦ", "Ü1"]
        assert facts_of(header).requested_procedure_id == "ПРОЦ"
        assert header.SpecificCharacterSet == "ISO_IR 192"


def test_a_site_can_choose_every_set_that_is_read_without_code_extension() -> None:
    choices = get_args(Intake.model_fields["undeclared_character_set"].annotation)
    assert set(choices) == {"", *WHOLE_SETS}
    assert {s.declared for s in SAMPLES.values()} >= set(WHOLE_SETS)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=40),
    st.lists(st.sampled_from(["", "ISO_IR 100", "ISO_IR 13", "ISO 2022 IR 87", "ISO_IR 192", "GBK", "?"]), max_size=3),
    st.sampled_from(["PN", "LO", "LT"]),
)
def test_any_bytes_are_text_or_are_refused(value: bytes, declared: list[str], vr: str) -> None:
    try:
        text = decode(value, declared, vr=vr)
    except Undecodable:
        return
    assert "\ufffd" not in text or "\ufffd".encode() in value or declared[:1] == ["GBK"]
    assert ESC not in text


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_unicode_comes_back(text: str) -> None:
    plain_text = "".join(c for c in text if c.isprintable())
    assert decode(plain_text.encode("utf-8"), ["ISO_IR 192"], vr="LT") == plain_text.rstrip(" ")
    assert decode(plain_text.encode("gb18030"), ["GB18030"], vr="PN") == plain_text.rstrip(" ")
