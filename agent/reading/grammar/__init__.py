"""The grammar of radiology prose, as far as findings, sides and denials need it: sentences, tokens, names, sides, presence.

Rules over tokens, each looking a bounded way to either side, so that the time grows with the length of the text.
"""
