"""Other people's validators of Structured Reports, and the warnings that are known and explained."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from pydicom import Dataset, dcmread

# PixelMed needs more than a current JDK allows by default.
_JAVA = [
    "java",
    "-Djdk.xml.xpathTotalOpLimit=0",
    "-Djdk.xml.xpathExprOpLimit=0",
    "-Djdk.xml.xpathExprGrpLimit=0",
    "-Xss16m",
]
_PIXELMED = [
    *_JAVA,
    "-cp",
    "/usr/share/java/pixelmed.jar",
    "com.pixelmed.validate.DicomSRValidator",
    "-checktemplateid",
]

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


def complaints(path: Path) -> list[str]:
    """Everything dciodvfy, dsrdump and PixelMed say about a report that is not known and explained; errors among it."""
    known = (*KNOWN, ONE_REGION) if _regions(dcmread(path)) == 1 else KNOWN
    said: list[str] = []
    for command in (["dciodvfy", "-new", str(path)], ["/usr/bin/dsrdump", "-q", str(path)], [*_PIXELMED, str(path)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        output = done.stderr if command[0].endswith("dsrdump") else done.stdout + done.stderr
        said += [line for line in output.splitlines() if line.strip()]
        if command[0].endswith("dsrdump") and done.returncode != 0:
            said.append(f"dsrdump: exit {done.returncode}")
    return [line for line in said if not _GOOD.match(line) and not any(k.search(line) for k in known)]


def _regions(item: Dataset) -> int:
    """How many spatial coordinates stand in a tree of content items."""
    return (item.get("ValueType") == "SCOORD") + sum(_regions(i) for i in item.get("ContentSequence", []))
