"""To whom a case goes, and why: rules as data.

Reading order: rules.py (what a rule is), conditions.py (what it may ask), route.py (the first that holds decides),
matching.py (thousands at once). About rules, not cases: check.py with relations.py (what is wrong with them),
explanation.py (why a case went where it went), what_if.py (what others would have changed), changes.py (what differs
between two versions).
"""
