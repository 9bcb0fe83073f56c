"""How the line is: what is wrong now, who is told, and what is measured. Counts, codes and names of the settings; never a
study or a patient, for anybody may be told."""
