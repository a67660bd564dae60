"""The language of the system: units, events, topics, the lifecycle table and the codec. No I/O.

Words and their Chinese originals are listed in `docs/glossary.md`.
"""
