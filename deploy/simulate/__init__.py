"""What a policy would do to a district: its cases in simulated time, decided by the functions that production uses.

Reading order: district.py (what is simulated), assumptions.py (what is assumed of people and cases), arrivals.py (what
comes in), desk.py (people who work), world.py (what happens to a case), tally.py (what is counted), staffing.py (how
many people a unit needs), comparison.py (one policy beside another), document.py, screen.py and picture.py (how that
is told), runs.py (one process for each run), command.py.
"""
