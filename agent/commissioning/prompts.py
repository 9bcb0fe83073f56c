"""The prompts of the protocol, word for word as the model family is trained on them, and how findings are called in
them."""

from __future__ import annotations

from structured_report.vocabulary import vocabulary

# One leading space; the doubled braces are literal, because that is what the family saw in training.
REASONING_SUFFIX = " Please reason step by step, and put your final answer within \\boxed{{}}."

FINDINGS = "Write an example findings section for the CXR."
FINDINGS_INDICATION = 'Given the indication: "{indication}", write a structured findings section for the CXR.'
IMPRESSION = "Write an example impression section for the CXR"
IMPRESSION_INDICATION = 'Given the indication: "{indication}", write an impression section for the CXR.'
SUMMARISE = "Write the Impression section for the following Findings: {findings}."
REGION = 'Please provide a detailed description of "{anatomy}" in the chest X-ray'
PROGRESSION = (
    "You are provided with chest X-rays of a patient from two different timepoints. Please analyze the findings in "
    "both chest X-rays and describe how the patient's condition has progressed or changed over time."
)
TEMPORAL_CLASS = (
    "You are given two images: one reference image and one new image. Please identify the progression of {disease}:\n"
    "(a) worsening\n(b) stable\n(c) improving"
)
CLASSIFICATION = "Given the CXR, identify any diseases. Options:\n{options}\nThere may be more than one answer."
PRESENCE = "Does this chest X-ray contain a {disease}?"
CLOSED_VQA = "{question} Options:\n{options}"
VIEW = "What is the view of this chest X-ray? Options:\n(a) PA\n(b) AP\n(c) LATERAL"
SAME_STUDY = "Do these images belong to the same study?"
ABNORMALITY_GROUNDING = "Locate areas in the chest X-ray where {disease} is present, using bounding box coordinates"
PHRASE_GROUNDING = "Please locate the following phrase: {phrase}"
CHEST_TUBES = "Locate chest tubes and specify their positions with bounding box coordinates"
PNEUMOTHORACES = "Please identify pneumothoraces and provide bounding boxes."
FOREIGN_OBJECTS = "Detect foreign objects in the given image."

# How a finding may be called in a question; the first is the usual name. All are names of the vocabulary.
CALLED = {
    "pneumothorax": ("pneumothorax",),
    "pleural_effusion": ("pleural effusion", "effusion"),
    "consolidation": ("consolidation", "airspace disease"),
    "pulmonary_edema": ("pulmonary edema", "edema"),
    "cardiomegaly": ("cardiomegaly", "enlarged heart"),
    "nodule": ("nodule",),
    "endotracheal_tube": ("endotracheal tube", "ett"),
    "central_line": ("central venous catheter", "central line"),
    "chest_tube": ("chest tube",),
    "feeding_tube": ("feeding tube", "nasogastric tube", "enteric tube"),
    "pneumonia": ("pneumonia",),
    "atelectasis": ("atelectasis",),
    "mass": ("mass",),
    "fracture": ("fracture",),
    "pneumomediastinum": ("pneumomediastinum",),
    "cardiac_pacemaker": ("pacemaker", "cardiac device"),
}
NEVER_DRAWN = ("pneumonia", "atelectasis", "mass", "fracture", "pneumomediastinum", "cardiac_pacemaker")
INDICATIONS = (
    "cough", "fever", "cough and fever", "shortness of breath", "chest pain", "dyspnea", "line placement", "trauma",
    "fall", "pre-operative", "follow up", "hypoxia", "status post intubation", "rule out pneumothorax", "weight loss",
    "evaluate for pneumonia", "chest tube", "evaluate for effusion", "heart failure", "smoker, hemoptysis",
)  # fmt: skip

assert all(name in vocabulary()[kind].words for kind, names in CALLED.items() for name in names)
