"""What the child process of `agent.imaging.decode` tells by its exit status. A module of its own: the child imports it and
nothing else of the parent's, and is there the sooner."""

from __future__ import annotations

EXIT_UNDECODABLE, EXIT_TOO_LARGE, EXIT_DIFFERENT = 3, 4, 5
