"""The ledger: every study from association to acknowledgement, and what a person can do about it."""
