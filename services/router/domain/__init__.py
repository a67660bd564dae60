"""Pure decisions about a case: values and `now` in, facts with their reason out.

`case.py` says what a case is and how each fact changes it; the other modules decide which facts follow:
`opening.py` (from whistle to dispatch), `assignments.py` (what units report), `desk.py` (what the hub rules),
`verdicts.py` (what feedback and the clock state).

To whom a case goes is decided by rules: `rules.py` says what a rule is, `conditions.py` what it may ask, `matching.py`
finds those that hold, `routing.py` applies the first. About rules, not cases: `rule_check.py`, `explanation.py`,
`what_if.py`, `rule_changes.py`.
"""
