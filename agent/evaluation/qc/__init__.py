"""The constancy test: drawn films through the whole running line, and what came out against what was drawn."""
