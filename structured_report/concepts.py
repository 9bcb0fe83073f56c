"""The coded concepts both encoders use, once. PS3.16 context groups are named beside them."""

from __future__ import annotations

from structured_report.content import Code, Laterality, Presence, Priority

PRIVATE_SCHEME = "99CXRPREREAD"
PRIVATE_SCHEME_UID = "2.25.131702530116131046227113926127226016389"
PRIVATE_SCHEME_NAME = "cxr-preread private codes"

# No standard code says "the reasoning of an algorithm, in words"; DCM, LN and SCT were searched.
REASONING = Code("REASONING", PRIVATE_SCHEME, "Algorithm reasoning trace")
FINDINGS = Code("59776-5", "LN", "Findings")  # CID 7001
IMPRESSIONS = Code("19005-8", "LN", "Impressions")  # CID 7001
COMPARISON = Code("18834-2", "LN", "Previous Findings")  # CID 7001
COMMENT = Code("121106", "DCM", "Comment")
PROCEDURE_GENERIC = Code("363679005", "SCT", "Imaging procedure")  # CID 100
SOURCE = Code("260753009", "SCT", "Source")  # TID 1601: what an image of the library is
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")  # TID 1500 row 12
NORMALITY = Code("121402", "DCM", "Normality")
SIGNIFICANCE = Code("121403", "DCM", "Level of Significance")
LATERALITY = Code("272741003", "SCT", "Laterality")
SEVERITY = Code("246112005", "SCT", "Severity")
PLACE = Code("106233006", "SCT", "Topographical modifier")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
TRACKING = Code("112039", "DCM", "Tracking Identifier")
PARAMETERS = Code("111002", "DCM", "Algorithm Parameters")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
IMAGE_REGION = Code("111030", "DCM", "Image Region")
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
STUDY_DATE = Code("111060", "DCM", "Study Date")
CERTAINTY = Code("111012", "DCM", "Certainty of Finding")

NORMALITY_VALUES = {  # CID 222
    False: Code("17621005", "SCT", "Normal"),
    True: Code("263654008", "SCT", "Abnormal"),
    None: Code("371934000", "SCT", "Normality Undetermined"),
}
SIGNIFICANCE_VALUES = {  # CID 220
    Priority.CRITICAL: Code("371926006", "SCT", "Highly significant"),
    Priority.URGENT: Code("386134007", "SCT", "Significant"),
    Priority.ROUTINE: Code("371928007", "SCT", "Not significant"),
    None: Code("386135008", "SCT", "Significance Undetermined"),
}
PRESENCE_VALUES = {  # CID 240
    Presence.PRESENT: Code("52101004", "SCT", "Present"),
    Presence.ABSENT: Code("272519000", "SCT", "Absent"),
    Presence.UNDETERMINED: Code("373068000", "SCT", "Undetermined"),
}
LATERALITY_VALUES = {  # CID 244
    Laterality.RIGHT: Code("24028007", "SCT", "Right"),
    Laterality.LEFT: Code("7771000", "SCT", "Left"),
    Laterality.BILATERAL: Code("51440002", "SCT", "Bilateral"),
}
TIMING = {  # HL7 table 0485
    Priority.CRITICAL: "S^STAT^HL70485",
    Priority.URGENT: "A^ASAP^HL70485",
    Priority.ROUTINE: "R^Routine^HL70485",
    None: "R^Routine^HL70485",
}
