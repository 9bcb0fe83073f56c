"""Signing in: who a caller is, and whether the caller may."""
