"""How well parts of the program do against data of other people. Nothing here runs in the line."""
