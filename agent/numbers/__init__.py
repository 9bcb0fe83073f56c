"""What the line did, in numbers: counted by day, summed up, set against one another. Nothing here names a patient."""
