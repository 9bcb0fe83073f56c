"""Earlier films of the same patient: looked for, fetched within bounds, and never another patient's."""
