"""Every theorem held against a run: what it assumes, measured; what it then bounds, and what is.

finding.py   what one theorem says on one run
check.py     all of them
page.py      the findings as a table, on a terminal and in Markdown
"""
