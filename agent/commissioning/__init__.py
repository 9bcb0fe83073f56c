"""The commissioning model: drawn films with known truth, what is said about them, and the small model that learns it.

For commissioning and testing a line, never for patients.
"""
