"""`/api/v1`: the same for programs. docs/api.md says how to call it; `/api/v1/openapi.json` says it to machines."""
