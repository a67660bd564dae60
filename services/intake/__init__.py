"""接单 intake: owns the whistle — its sources, verification, repeats by reference, the reporter's identity.

The map is `HANDLERS` in `main.py`; the doors are `api.py` (whistles, orders) and `hotline.py` (12345).
"""
