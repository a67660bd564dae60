"""Pure decisions about a case: values and `now` in, facts with their reason out.

`case.py` says what a case is and how each fact changes it; the other modules decide which facts follow:
`opening.py` and `rules.py` (to whom), `assignments.py` (what units report), `desk.py` (what the hub rules),
`verdicts.py` (what feedback and the clock state).
"""
