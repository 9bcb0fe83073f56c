"""The worklist: the page that radiologists keep open, and what keeps it up to date."""
