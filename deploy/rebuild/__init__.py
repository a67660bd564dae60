"""重建: every state table made anew from the logs, and held against what stands in the database."""
