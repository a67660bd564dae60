"""The machinery the services run on. It knows no service and no domain word beyond the contracts.

Read in this order: `decision.py` (what comes in, what is decided), `road.py` (the one road everything takes),
`log.py` (the log and its hash chain), `relay.py` (from the log to the topic), `consumer.py` and `door.py` (the two
ways in), `postgres.py`.
"""
