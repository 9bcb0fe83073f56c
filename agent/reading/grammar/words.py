"""The classes of words that the rules tell apart. A word that is in none of them may be an adjective, never more."""

from __future__ import annotations

from agent.reading.grammar.tokens import wordset
from structured_report.content import Laterality

SIDES = {
    "left": Laterality.LEFT,
    "right": Laterality.RIGHT,
    "bilateral": Laterality.BILATERAL,
    "bilaterally": Laterality.BILATERAL,
    "both": Laterality.BILATERAL,
    "bibasilar": Laterality.BILATERAL,
    "bibasal": Laterality.BILATERAL,
    "biapical": Laterality.BILATERAL,
}
# The lingula is left and there is one middle lobe, but a draft that says so is not asked to mean it: next to a stated
# side they make the side doubtful, alone they give none.
SIDE_BY_ANATOMY = frozenset({"lingula", "lingular"})

DETERMINERS = wordset("a an the this that these those some any its another each")
# Verbs that can be the only one of a clause; a participle cannot.
FINITE = wordset(
    "is are was were has have had appears appear appeared remains remain remained shows show showed demonstrates "
    "demonstrate demonstrated reveals reveal contains persists persist continues continue can may might could would "
    "should will does do did represents represent reflects reflect suggests suggest obscures measures terminates "
    "terminate ends projects extends indicates"
)
SHOWING = wordset(
    "shows show showed demonstrates demonstrate reveals reveal contains contain has have exhibits displays"
)
TO_BE = wordset("is are was were be been being remains remain appears appear has have")
PLACING = wordset("in on at within of along involving throughout over overlying near across")
OTHER_PREPOSITIONS = wordset(
    "with without for from to by than due secondary after before since during via through above below beneath behind "
    "between into onto per as despite following towards toward until against around"
)
PREPOSITIONS = PLACING | OTHER_PREPOSITIONS
# Where a thought ends and another begins.
TURNS = wordset(
    "but however although though while whereas except yet nevertheless nonetheless because despite where when so "
    "otherwise given"
)
CONJUNCTIONS = frozenset(["and", "or", "nor", ",", "/", "+", "plus", "versus", "vs"])
MARKS = frozenset([",", ":", "(", ")", "/", "-", "–", "—", '"', "*", "[", "]", "+", "?", ">", "<", "=", "|", "•"])

# What a side can be the side of. "Right atrium", "left main bronchus" and "right heart border" place nothing.
SIDED_PLACES = wordset(
    "side lung lungs lobe lobes base bases apex apices hemithorax hemithoraces hemidiaphragm hilum hila hili zone zones "
    "field fields area areas region regions chest thorax angle angles sulcus sulci pleura space spaces rib ribs clavicle "
    "humerus shoulder scapula lingula fissure distribution location mediastinum midlung wall parenchyma periphery "
    "segment segments diaphragm arch hemi lower upper basilar apical mid costal first second third fourth fifth sixth "
    "seventh eighth ninth tenth eleventh twelfth"
)
KNOWN_ADJECTIVES = (
    wordset(
        "upper middle mid lower lung pulmonary pleural basal basilar apical perihilar parahilar hilar infrahilar "
        "suprahilar retrocardiac costophrenic lateral medial anterior posterior central peripheral sided lobe lobar "
        "base basal medially laterally apex small mild moderate large severe tiny trace minimal slight massive marked "
        "extensive moderately mildly severely minimally slightly greater larger smaller patchy focal diffuse hazy "
        "linear streaky dense new stable unchanged persistent acute chronic old layering loculated partial complete "
        "subsegmental segmental interstitial alveolar airspace nodular confluent heterogeneous homogeneous multifocal "
        "subtle trace tension residual underlying increased decreased worsening improving resolving rib clavicle "
        "humeral lingular lingula paratracheal paramediastinal subpulmonic subclavian internal jugular ij femoral "
        "pectoral adjacent associated"
    )
    | SIDES.keys()
)
# "A small amount of fluid", "an area of consolidation": the words before count for the word after.
MEASURES = wordset(
    "amount amounts degree area areas component components focus foci region regions collection collections volume "
    "band bands patch patches evidence layering"
)
# What may stand between a finding and the place where it is.
LINKS = TO_BE | wordset(
    "seen noted present identified visualized visualised visible evident demonstrated again now also still which "
    "that located projecting projected layering stable unchanged increased decreased improved worsened "
    "worse better small moderate large mild severe tiny trace minimal new persistent persists continues slightly "
    "mildly moderately measuring cm mm loculated likely adjacent there centered placed inserted"
)
# "Greater on the left" says that there is some on the right as well, or does not say.
COMPARING = wordset(
    "greater more larger worse predominantly mostly mainly primarily especially particularly most greatest chiefly "
    "largely"
)
# What a finding is or is not, when one asks whether it is there.
EXISTING = wordset(
    "seen present identified visualized visualised visible evident demonstrated noted appreciated detected found "
    "apparent observed there depicted recognized shown suggested"
)
# These say that a finding of an earlier film is still there.
CURRENT = wordset(
    "unchanged stable increased decreased improved worsened persists persist persistent remains remain continues "
    "continue again larger smaller increasing decreasing improving worsening resolving enlarged progressed similar "
    "still new residual conspicuous visible"
)
# After a degree these say that it is the degree of a change.
CHANGING = wordset(
    "increased decreased improved worsened enlarging larger smaller increasing decreasing changed worsening improving "
    "resolving progressed"
)
# Verbs and adjectives that tie one finding to another; what stands before them is not the second one's.
TYING = wordset(
    "reflecting representing suggesting indicating obscuring consistent compatible concerning suggestive worrisome "
    "secondary related causing containing showing demonstrating"
)
