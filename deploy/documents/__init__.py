"""The generated part of the documentation: catalogues, schemas and API descriptions, made from the code.

`python -m deploy.documents write` makes them, `check` says which are stale, `release X.Y.Z` keeps the present
schemas as those of a release.
"""
