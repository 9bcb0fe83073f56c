"""Peers and destinations: who this node talks to, whether it can, and how that is changed."""
