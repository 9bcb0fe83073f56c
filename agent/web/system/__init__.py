"""The system page: how the site stands, in plain words, and what an administrator starts from there."""
