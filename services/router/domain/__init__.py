"""What the router decides, all of it pure: values and `now` in, a decision out.

case.py says what a case is, evolution.py how facts change it, decisions.py how a decision is made of facts.
opening.py, assignments.py, desk.py, joint.py, time_granted.py, lists.py, changes.py, merging.py, succession.py and
verdicts.py each hold one story of a case; distribution.py is how units get and lose their parts in all of them.
commands.py is what people ask for, procedures.py who may, permits.py whether they may now. routing/ is to whom a case
goes, likeness.py which cases are about the same thing, sight.py who may see one.
"""
