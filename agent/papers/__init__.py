"""The papers that a hospital asks for before it connects anything, with their tables made from the program's own.

`make papers` writes them anew, `python -m agent.papers --check` says what is out of date. The prose is written by hand, around
marked blocks.
"""
