"""What a screen shows is what was read: gray for gray, and the patient's left where it belongs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut

from agent.commissioning.films import ORIENTATIONS, FilmStyle, oriented, phantom_study, scene_of
from agent.errors import Permanent
from agent.imaging.decode import DecodeLimits
from agent.imaging.decode_ready import ReadyDecoder
from agent.imaging.geometry import upright
from agent.imaging.render import render
from agent.imaging.screen import Screened, letters, screened
from tests.support.films import rg1, save, small_image
from tests.support.site import until

STATIC = Path(__file__).parents[2] / "agent" / "web" / "static"
WHOLE = 4096  # no preview of these films is made smaller


def film(**style: Any) -> Dataset:
    chosen = FilmStyle(rows=128, columns=104, **style)
    return phantom_study(scene_of("left-effusion", seed=2), patient_id="P", accession="A", lateral=False, style=chosen)[
        0
    ]


def shown(image: Dataset) -> Screened:
    return screened(image, image.pixel_array, longest=WHOLE)


@pytest.mark.parametrize("orientation", sorted(ORIENTATIONS))
@pytest.mark.parametrize(
    "style", [{}, {"monochrome1": True}, {"contrast": "voi-lut", "bits_stored": 10}, {"padding": True}]
)
def test_the_preview_is_the_picture_that_was_read(orientation: str, style: dict[str, Any]) -> None:
    image = film(orientation=orientation, **style)
    assert np.array_equal(shown(image).preview, render(image, image.pixel_array).picture)


def test_a_shutter_hides_in_the_preview_what_it_hides_from_the_model() -> None:
    image = film()
    image.ShutterShape = "RECTANGULAR"
    image.ShutterLeftVerticalEdge, image.ShutterRightVerticalEdge = "11", "90"
    image.ShutterUpperHorizontalEdge, image.ShutterLowerHorizontalEdge = "21", "100"
    made = shown(image)
    assert np.array_equal(made.preview, render(image, image.pixel_array).picture)
    (opening,) = made.about["shutter"]
    # In corners of pixels: columns 11 to 90, counted from 1, span 10 to 90.
    assert (opening["left"], opening["right"], opening["top"], opening["bottom"]) == (10, 90, 20, 100)


def test_without_a_window_both_take_it_from_the_image() -> None:
    image = film(contrast="none")
    made = shown(image)
    assert made.about["initial"]["kind"] == "image"
    assert np.abs(made.preview.astype(int) - render(image, image.pixel_array).picture.astype(int)).max() <= 1


@pytest.mark.parametrize("orientation", sorted(ORIENTATIONS))
def test_the_patients_left_is_on_the_right_of_the_screen_to_the_pixel(orientation: str) -> None:
    """One bright pixel, placed by hand in the upright film: nine columns from the edge on the patient's left."""
    upright_film = np.zeros((128, 104), np.uint16)
    upright_film[40, 104 - 9] = 4000
    image = film(orientation=orientation)
    stored = oriented(upright_film, orientation)
    image.Rows, image.Columns = stored.shape
    image.PixelData = stored.astype("<u2").tobytes()
    image.WindowCenter, image.WindowWidth = "2048", "4096"
    made = shown(image)
    assert np.argwhere(made.preview == made.preview.max()).tolist() == [[40, 95]]
    assert made.about["letters"] == {"left": "R", "right": "L", "top": "H", "bottom": "F"}
    # And the way that boxes go: the corners of the stored pixel come to the corners of the pixel on the screen.
    (row, column) = np.argwhere(stored == 4000)[0]
    (a, b, c), (d, e, f) = made.about["matrix"]
    corners = [(a * x + b * y + c, d * x + e * y + f) for x, y in ((column, row), (column + 1, row + 1))]
    assert sorted({round(x, 6) for x, _ in corners}) == [95, 96]
    assert sorted({round(y, 6) for _, y in corners}) == [40, 41]
    turn = made.about["turn"]
    assert turn["known"]
    assert turn["mirrored"] == (upright(ORIENTATIONS[orientation]).flip_columns)


def test_a_film_that_does_not_say_how_it_lies_is_shown_as_stored_and_says_so() -> None:
    image = film()
    del image.PatientOrientation
    about = shown(image).about
    assert about["letters"] is None
    assert not about["turn"]["known"]
    assert about["matrix"] == [[1, 0, 0], [0, 1, 0]]


@given(st.sampled_from(["L", "R", "A", "P", "LH", "RF"]), st.sampled_from(["H", "F", "FA", "HP"]))
def test_opposite_edges_carry_opposite_letters(along_row: str, along_column: str) -> None:
    found = letters((along_row, along_column), upright((along_row, along_column)))
    assert found is not None
    opposite = str.maketrans("LRAPHF", "RLPAFH")
    assert found["left"].translate(opposite) == found["right"]
    assert found["top"].translate(opposite) == found["bottom"]


def test_spacing_is_called_that_of_the_detector_unless_it_was_calibrated() -> None:
    image = film()
    assert shown(image).about["spacing"]["at"] == "detector"
    image.PixelSpacing = ["0.2", "0.2"]
    assert shown(image).about["spacing"] == {"row": 0.2, "column": 0.2, "at": "detector"}
    image.PixelSpacingCalibrationType = "FIDUCIAL"
    assert shown(image).about["spacing"]["at"] == "patient"


SIGNED = {
    "PixelRepresentation": 1,
    "RescaleSlope": "0.5",
    "RescaleIntercept": "-7",
    "PixelData": (np.arange(96 * 80) - 3000).astype("<i2").tobytes(),
}


def with_modality_lut() -> Dataset:
    image = small_image()
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "US"
    item.add_new("LUTData", "OW", (np.arange(4096) * 3 + 5).astype("<u2").tobytes())
    image.ModalityLUTSequence = [item]
    return image


@pytest.mark.parametrize("image", [small_image(**SIGNED), with_modality_lut()], ids=["signed", "table"])
def test_a_modality_value_is_what_pydicom_makes_of_the_stored_value(image: Dataset) -> None:
    about = shown(image).about
    stored = image.pixel_array
    line, table = about["modality"], about["modality"].get("table")
    if table:
        values = np.asarray(table["values"])[stored.astype(int) - table["first"]]
    else:
        values = stored * line["slope"] + line["intercept"]
    assert np.array_equal(values, apply_modality_lut(stored, image))


LOOKS: list[dict[str, Any]] = [
    {"WindowCenter": "2048", "WindowWidth": "1000"},
    {"WindowCenter": "2048", "WindowWidth": "1000", "VOILUTFunction": "SIGMOID"},
    {"WindowCenter": "2048", "WindowWidth": "1000", "VOILUTFunction": "LINEAR_EXACT"},
    {"WindowCenter": "2048", "WindowWidth": "1000", "PhotometricInterpretation": "MONOCHROME1"},
    {"WindowCenter": "2048", "WindowWidth": "3000", "PixelPaddingValue": 4095},
    {**SIGNED, "WindowCenter": "-500", "WindowWidth": "2000"},
]


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the script of the viewer")
def test_the_viewer_makes_the_same_gray_of_every_value_as_the_program() -> None:
    """The script that windows on the screen, against the one that rendered what was read."""
    images = [small_image(**look) for look in LOOKS] + [film(contrast="voi-lut")]
    abouts = [shown(image).about for image in images]
    script = (
        f"import {{ grays, presets }} from '{(STATIC / 'viewer' / 'gray.js').as_uri()}';"
        "const abouts = JSON.parse(await new Response(process.stdin).text());"
        "console.log(JSON.stringify(abouts.map((a) => [...grays(a, presets(a)[0].contrast, false)])));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", script], input=json.dumps(abouts), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for image, about, table in zip(images, abouts, json.loads(done.stdout), strict=True):
        stored = image.pixel_array
        picture = np.asarray(table)[stored.astype(int) - about["least"]]
        rendered = render(image, stored).picture
        assert np.abs(picture - rendered.astype(int)).max() <= 1, about["initial"]


@pytest.fixture
def decoder() -> Iterator[ReadyDecoder]:
    made = ReadyDecoder(DecodeLimits(memory_bytes=2 << 30, seconds=60))
    yield made
    made.close()


def test_a_decoder_that_is_ready_gives_the_same_values_one_film_after_the_other(
    decoder: ReadyDecoder, tmp_path: Path
) -> None:
    plain = save(small_image(), tmp_path / "plain.dcm")
    packed = rg1(tmp_path, "1.2.840.10008.1.2.4.70")
    broken = save(small_image(Rows=60000, Columns=60000), tmp_path / "broken.dcm")
    decoder.warm()
    assert np.array_equal(decoder.stored(plain), small_image().pixel_array)
    assert np.array_equal(decoder.stored(packed), dcmread(packed).pixel_array)
    with pytest.raises(Permanent) as refused:
        decoder.stored(broken)
    assert refused.value.code in ("undecodable", "decode-out-of-memory")
    assert np.array_equal(decoder.stored(plain), small_image().pixel_array), "what was broken has harmed nobody"


def test_who_decodes_is_confined_each_time_anew(decoder: ReadyDecoder, tmp_path: Path) -> None:
    """The film is a pipe, so that its decoder can be looked at while it waits: the kernel says whether calls are refused."""
    film = tmp_path / "film.dcm"
    os.mkfifo(film)
    content = save(small_image(), tmp_path / "plain.dcm").read_bytes()
    seen: list[str] = []

    def look() -> None:
        with film.open("wb") as pipe:  # opens once the decoder does
            (child,) = _children(_mother(decoder))
            seen.append(Path(f"/proc/{child}/status").read_text())
            pipe.write(content)

    watcher = threading.Thread(target=look)
    watcher.start()
    with pytest.raises(Permanent):
        decoder.stored(film)  # a pipe cannot be read twice, as a file can
    watcher.join()
    assert "Seccomp:\t2" in seen[0]
    assert "NoNewPrivs:\t1" in seen[0]


def _mother(decoder: ReadyDecoder) -> int:
    assert decoder._running is not None
    return decoder._running.mother.pid


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sorted({int(child) for task in tasks for child in (task / "children").read_text().split()})


def test_a_decoder_that_does_not_come_back_is_ended(tmp_path: Path) -> None:
    hanging = tmp_path / "film.dcm"
    os.mkfifo(hanging)  # whoever opens it waits for ever
    decoder = ReadyDecoder(DecodeLimits(memory_bytes=2 << 30, seconds=6.0))
    try:
        with pytest.raises(Permanent) as refused:
            decoder.stored(hanging)
        assert refused.value.code == "decode-timeout"
    finally:
        decoder.close()


def test_a_decoder_that_was_killed_is_had_anew(decoder: ReadyDecoder, tmp_path: Path) -> None:
    plain = save(small_image(), tmp_path / "plain.dcm")
    decoder.stored(plain)
    os.kill(_mother(decoder), signal.SIGKILL)
    assert np.array_equal(decoder.stored(plain), small_image().pixel_array)


FORGOTTEN = """
import os, sys
from pathlib import Path
from agent.imaging.decode_ready import ReadyDecoder

# Where the interpreter lets go of it late, when it has emptied the module that it is of.
decoder = ReadyDecoder()
os.kept = (decoder, sys.modules[ReadyDecoder.__module__])
decoder.warm()
sys.stdout.write(f"{decoder._running.mother.pid}\\n")
sys.stdout.flush()
if len(sys.argv) > 1:
    decoder.stored(Path(sys.argv[1]))
"""


def test_a_decoder_that_nobody_closed_ends_with_its_program_and_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", FORGOTTEN], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert not Path(f"/proc/{done.stdout.strip()}").exists(), "it was waited for"


def test_a_decoder_whose_program_is_killed_ends_in_the_middle_of_a_film(tmp_path: Path) -> None:
    """What decodes may go on for minutes, for nobody, and holds what its program has shared with it."""
    film = tmp_path / "film.dcm"
    os.mkfifo(film)  # whoever opens it waits for ever
    with subprocess.Popen([sys.executable, "-c", FORGOTTEN, str(film)], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        mother = int(program.stdout.readline())
        (child,) = until(lambda: _children(mother), what="the film is being decoded")
        program.kill()
        program.wait()
    gone = (Path(f"/proc/{mother}"), Path(f"/proc/{child}"))
    until(lambda: not any(_lives(p) for p in gone), what="nothing of it is left")


def _lives(process: Path) -> bool:
    """Whether it does something still; one that nobody waits for stays in the list until init has looked."""
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
