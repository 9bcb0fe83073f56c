"""Other people's validators of Structured Reports, and the warnings that are known and explained."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset, dcmread

from tests.support.site import PATIENCE_S

# PixelMed needs more than a current JDK allows by default. It runs for seconds: a better compiler and collectors in threads of
# their own would take more than they bring.
_JAVA = [
    "java",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Djdk.xml.xpathTotalOpLimit=0",
    "-Djdk.xml.xpathExprOpLimit=0",
    "-Djdk.xml.xpathExprGrpLimit=0",
    "-Xss16m",
]
_JAR = "/usr/share/java/pixelmed.jar"
KNOWN = (
    re.compile(r"Unrecognized defined term = <(99CXRPREREAD|2\.25\.\d+)>"),  # any private code and its scheme
    re.compile(
        r"ContributingEquipmentSequence.*DeviceUID.*not present in standard DICOM IOD"
    ),  # newer than dicom3tools
    re.compile(
        r"Measurement Group\"?\)?/CODE .*Content Item not in template"
    ),  # PixelMed's TID 1501 stops before these rows
    # CID 100 is a baseline group in TID 1500 row 4: any procedure code conforms, and PixelMed's copy of 2019 lacks most.
    re.compile(r"Error: .*\(121058,DCM,.*not found in context group 100"),
    re.compile(r"The VR checker does not support this Specific Character Set: ISO_IR 192"),
)
# PixelMed includes TID 1410 when all the measurement groups of a report hold exactly one region between them, and then
# asks a region of every group. None and several are judged as they should be; so this is forgiven to one only.
ONE_REGION = re.compile(
    r"Error: Template 1410 .*(\(111030,DCM,\"Image Region\"\)|\(121214,DCM,\"Referenced Segmentation Frame\"\)): within"
    r".*Missing conditional content item"
)
_GOOD = re.compile(
    r"^(Comprehensive3DSR|ComprehensiveSR|Found (Comprehensive3DSR|ComprehensiveSR) IOD|Found Root Template TID_1500.*"
    r"|Root Template Validation Complete|IOD validation complete)$"
)


def complaints(paths: Sequence[Path]) -> dict[Path, list[str]]:
    """Everything dciodvfy, dsrdump and PixelMed say about reports that is not known and explained; errors among it. PixelMed
    is started once: that costs more than a report does."""
    source = Path(__file__).with_name("ValidateMany.java")
    command = [*_JAVA, "-cp", _JAR, str(source), *map(str, paths)]
    pixelmed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    others = {path: _said_by_toolkits(path) for path in paths}
    output, trouble = pixelmed.communicate(timeout=800)
    *parts, end = re.split(r"^(?:FILE .*|END)$", output, flags=re.MULTILINE)[1:] or [trouble]
    assert len(parts) == len(paths), f"PixelMed did not come to the end: {trouble}{end}"
    return {path: _unknown(path, [*others[path], *part.splitlines()]) for path, part in zip(paths, parts, strict=True)}


def _said_by_toolkits(path: Path) -> list[str]:
    said: list[str] = []
    for command in (["dciodvfy", "-new", str(path)], ["/usr/bin/dsrdump", "-q", str(path)]):
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, timeout=PATIENCE_S
        )
        said += (done.stderr if command[0].endswith("dsrdump") else done.stdout + done.stderr).splitlines()
        if command[0].endswith("dsrdump") and done.returncode != 0:
            said.append(f"dsrdump: exit {done.returncode}")
    return said


def _unknown(path: Path, said: Sequence[str]) -> list[str]:
    known = (*KNOWN, ONE_REGION) if _regions(dcmread(path)) == 1 else KNOWN
    lines = [line for line in said if line.strip()]
    return [line for line in lines if not _GOOD.match(line) and not any(k.search(line) for k in known)]


def _regions(item: Dataset) -> int:
    """How many spatial coordinates stand in a tree of content items."""
    return (item.get("ValueType") == "SCOORD") + sum(_regions(i) for i in item.get("ContentSequence", []))
