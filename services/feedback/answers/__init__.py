"""The resident's and 12345's answers: by a signed link with a page of its own, or by call-backs."""
