"""Guards: a reasoning model says plausible things that are wrong. Every reading passes all of them.

A guard repairs visibly, takes a certainty back, drops what cannot be, or withholds the reading; each says so with a
code and a sentence for the reader. The raw replies are kept elsewhere and are never changed.
"""

from agent.reading.guards.evidence import Draft, Evidence, Guarded, Located, half_of
from agent.reading.guards.run import guard

__all__ = ["Draft", "Evidence", "Guarded", "Located", "guard", "half_of"]
