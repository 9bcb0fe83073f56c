"""Drafts as models of the CheXOne family write them, each with a mistake planted, and the words that must not be taken
for one."""

from __future__ import annotations

# Drafts that compare with a prior that was not shown: of twenty real ones all twenty did.
COMPARING_DRAFTS = [
    "The heart remains enlarged. The right pleural effusion is stable. There is no pneumothorax.",
    "Compared to the prior study, there is no significant interval change. The lungs are clear.",
    "Stable cardiomegaly. Persistent small bilateral pleural effusions, left greater than right. No pneumothorax.",
    "The patient is status post median sternotomy. The cardiac silhouette remains mildly enlarged. There is unchanged left basilar "
    "atelectasis.",
    "Again seen is a moderate left pleural effusion with adjacent atelectasis. The right lung is clear.",
    "In comparison with the study of ___, there is little change. Endotracheal tube remains in place. Moderate cardiomegaly persists.",
    "The right internal jugular catheter is unchanged in position. Mild pulmonary edema has improved. There is no pneumothorax.",
    "There is persistent opacification of the left hemithorax. The right lung is clear. The heart size is stable.",
    "The left-sided pacemaker is again noted. The heart is enlarged, as before. No focal consolidation is seen.",
    "As compared to the previous radiograph, the right pleural effusion has decreased. The left lung is unchanged.",
    "The lungs remain clear. The cardiomediastinal silhouette is stable. There is no pleural effusion or pneumothorax.",
    "Interval removal of the right chest tube. There is no pneumothorax. Small left pleural effusion is unchanged.",
    "There has been interval placement of a left chest tube. The left pneumothorax has resolved.",
    "Worsening bilateral airspace opacities, concerning for pneumonia. Stable mild cardiomegaly.",
    "New right lower lobe opacity is concerning for pneumonia. The left lung is clear.",
    "The small right apical pneumothorax is no longer seen. There is no pleural effusion.",
    "Low lung volumes with persistent bibasilar atelectasis. The heart size is unchanged.",
    "Redemonstration of bilateral pulmonary opacities. The endotracheal tube is in unchanged position.",
    "The previously seen left pleural effusion has resolved. The heart remains mildly enlarged.",
    "There is continued elevation of the right hemidiaphragm. Bibasilar atelectasis has slightly improved since the prior study.",
    "The right PICC is unchanged. The feeding tube has been removed. There is stable mild pulmonary edema.",
    "Since the previous radiograph, the moderate right pleural effusion has increased. There is no left pleural effusion.",
    "The right pleural effusion is larger than on the prior study and there is adjacent atelectasis.",
    "Improved aeration of the right lung base. The left lower lobe consolidation is similar in appearance.",
    "There is no interval change in the small left pneumothorax. The left chest tube remains in place.",
    "The mediastinal contours are stable. There is a new small right pleural effusion. Bony structures are unchanged.",
    "Heart: Stable mild cardiomegaly. Lungs: Unchanged. Pleura: Small left effusion, stable.",
    "The degree of pulmonary edema has progressed. Cardiomegaly is stable. Support devices are unchanged.",
    "There is still a small left apical pneumothorax. The heart is now normal in size.",
    "Overall, the appearance of the chest is unchanged. Mild cardiomegaly. No acute fracture.",
    "Multifocal consolidations persist in the right lung. The left lung remains clear.",
    "The left lower lobe atelectasis is resolving. The right lung is clear. No effusion.",
]

# Sentences with the words they have afterwards.
SAID_AGAIN = [
    ("The right pleural effusion is stable.", "There is a right pleural effusion."),
    ("The heart remains enlarged.", "The heart is enlarged."),
    ("The lungs remain clear.", "The lungs are clear."),
    ("Unchanged cardiomegaly.", "Cardiomegaly."),
    ("Sternotomy wires are again seen. The lungs are clear.", "Sternotomy wires are seen. The lungs are clear."),
    ("Again seen is a left pleural effusion.", "There is a left pleural effusion."),
    ("The right pneumothorax has resolved.", "There is no right pneumothorax."),
    ("The pneumothorax is no longer seen.", "The pneumothorax is not seen."),
    ("The effusions are unchanged.", "There are effusions."),
    ("There is an unchanged opacity in the left lung.", "There is an opacity in the left lung."),
    ("New right lower lobe opacity.", "Right lower lobe opacity."),
    ("Interval placement of a right chest tube.", "Right chest tube."),
    ("There has been interval removal of the endotracheal tube.", "There is no endotracheal tube."),
    ("The endotracheal tube is in unchanged position.", "The endotracheal tube is in place."),
    ("Heart: Stable mild cardiomegaly.", "Heart: Mild cardiomegaly."),
    ("The heart size is stable and the lungs are clear.", "The lungs are clear."),
    (
        "There is no pneumothorax and the small left effusion is stable.",
        "There is no pneumothorax and there is a small left effusion.",
    ),
    ("The aorta is tortuous and unchanged. The lungs are clear.", "The aorta is tortuous. The lungs are clear."),
    ("Compared to the prior study there is no change. The lungs are clear.", "The lungs are clear."),
    ("The left lung has cleared. No effusion.", "No effusion."),
    ("The right effusion is more prominent than before.", "There is a right effusion."),
    (
        "The ETT has been retracted and now terminates above the carina.",
        "There is an ETT, which terminates above the carina.",
    ),
    (
        "The left pneumothorax is unchanged and the right pneumothorax has resolved.",
        "There is a left pneumothorax and there is no right pneumothorax.",
    ),
    (
        "Bilateral effusions have decreased on the right and increased on the left.",
        "There are bilateral effusions on the right and on the left.",
    ),
    ("The right effusion has increased and is now moderate.", "There is a right effusion, which is moderate."),
]

# Real comparisons, for studies with a prior: every word has to stay.
REAL_COMPARISONS = [
    "The right pleural effusion is unchanged.",
    "The heart remains enlarged.",
    "Compared to the prior study, the left pneumothorax is smaller.",
    "New right lower lobe consolidation.",
    "No new consolidation.",
    "There has been interval placement of an endotracheal tube.",
    "The pneumothorax has resolved.",
    "Bibasilar atelectasis has improved since the previous radiograph.",
    "Again seen is a left pleural effusion.",
    "The pneumothorax is no longer seen.",
    "Persistent mild pulmonary edema.",
    "Worsening bilateral opacities.",
    "No significant interval change in the bilateral effusions.",
    "The chest tube has been removed, and there is no recurrent pneumothorax.",
    "Stable cardiomegaly with stable bilateral effusions.",
    "The right PICC has been withdrawn and now terminates in the SVC.",
    "As compared to the previous radiograph, there is no relevant change of the heart and lungs.",
    "The effusion is larger than on the prior study.",
]

# Words that look like a comparison and are none: they stay without a prior too.
NOT_COMPARING = [
    "The patient is haemodynamically stable, and the lungs are clear.",
    "The patient is hemodynamically stable. No pneumothorax.",
    "There are remains of surgical clips in the right breast. The lungs are clear.",
    "Persistent left superior vena cava. The lungs are clear.",
    "Bibasilar opacities, worse on the left.",
    "Bilateral pleural effusions, larger on the right than on the left.",
    "Bilateral pleural effusions, right greater than left.",
    "Degenerative changes of the spine. The lungs are clear.",
    "Increased interstitial markings are seen in both lungs.",
    "The remaining lung is clear.",
    "The nodule is better seen on the lateral view.",
    "The lungs are clear. Heart failure of New York Heart Association class II.",
    "The heart size is increased.",
    "Chronic rib fractures on the left.",
    "There are no prior studies for comparison. The lungs are clear.",
    "There is a left pleural effusion with volume loss. Postsurgical changes on the right.",
    "Since the patient is rotated, the heart size cannot be assessed. No pneumothorax.",
    "The left base is more opaque compared to the right. No pneumothorax.",
]

MEASURED = [
    ("The endotracheal tube tip is 5 cm above the carina.", "The endotracheal tube tip is above the carina."),
    (
        "The tip of the right PICC projects 2 cm below the carina.",
        "The tip of the right PICC projects below the carina.",
    ),
    ("There is a 3 cm nodule in the right upper lobe.", "There is a nodule in the right upper lobe."),
    ("An 11-mm left apical nodule.", "A left apical nodule."),
    ("Left apical pneumothorax measuring up to 2.5 cm.", "Left apical pneumothorax."),
    ("A right upper lobe mass measures 3.2 x 4 cm in diameter.", "A right upper lobe mass."),
    ("The heart is enlarged with a cardiothoracic ratio of 0.58.", "The heart is enlarged."),
    ("The heart is enlarged (CTR 0.6).", "The heart is enlarged."),
    ("There is a 20% right pneumothorax.", "There is a right pneumothorax."),
    ("The endotracheal tube lies two centimeters above the carina.", "The endotracheal tube lies above the carina."),
    ("ETT is 4 cm from the carina.", "There is an endotracheal tube."),
    ("Scoliosis with a Cobb angle of 20 degrees. No effusion.", "Scoliosis. No effusion."),
    ("Two 5 mm nodules are seen in the left lung.", "Nodules are seen in the left lung."),
    ("The cardiothoracic ratio is 0.55. The lungs are clear.", "The lungs are clear."),
]
NOT_MEASURED = [
    "Two views of the chest show clear lungs.",
    "There is a fracture of the left 9th rib.",
    "Compression fracture of T4.",
    "There are two nodules in the right lung.",
    "The cardiothoracic ratio is increased, and the heart is enlarged.",
    "The fracture of ribs 4 to 7 on the right.",
]

WITHOUT_NOUNS = [
    "There is also seen in the left lung base.",
    "There is seen in the right lower lobe.",
    "The is normal in size.",
    "There is a in the left upper lobe.",
    "No evidence of or in the right lung.",
    "There is no.",
    "The right lung is clear of and.",
]
WITH_NOUNS = [
    "There is also seen in the left lung base a small opacity.",
    "There is cardiomegaly with pulmonary edema.",
    "There is at least mild pulmonary edema.",
    "Bilateral opacities with or without effusion.",
]

REFUSALS = [
    "This demonstration checkpoint cannot assess the film. A radiologist must read it.",
    "I'm sorry, but I cannot interpret medical images.",
    "As an AI language model, I am not able to provide a diagnosis.",
    "I cannot assist with reading this chest X-ray.",
    "I am unable to view the image you are referring to.",
]
NO_REPORTS = [
    '{"findings": "There is a right pleural effusion."}',
    '["effusion", "edema"]',
    "Dear colleague, thank you for referring this patient. Kind regards, Dr Smith",
    "Yes",
    "(A) pneumonia, (C) edema and so on"[:3],
    "Write an example findings section for the CXR.",
    "Lorem ipsum dolor sit amet.",
    "The weather is nice today.",
    "...",
    "42",
]
REPORTS = [
    "Normal chest radiograph with no abnormality.",
    "No acute cardiopulmonary abnormality.",
    "A small left pneumothorax cannot be excluded.",
    "I cannot exclude a small left pneumothorax.",
    "The lungs are clear.",
]
