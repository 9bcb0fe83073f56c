"""A folder of labelled films read by a model, and how well that went."""
