"""What the page of a study is made of: its case, its films, and the way from sentences to findings."""
