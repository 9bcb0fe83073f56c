"""What the interface answers. Names are those of the ledger and of the standards; moments are ISO 8601 with their offset, UTC;
a field that is not known is null, or empty where it is text."""
