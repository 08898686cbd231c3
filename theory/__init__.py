"""Executable theorems: one file a theorem, with its statement, its proof, and tests that it holds, is tight and needed.

numpy only. README.md has the notation, an index, and what of the paper is provable.
"""
