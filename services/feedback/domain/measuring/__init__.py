"""考核: from facts to rows, from rows to figures, from figures to scorecards. Pure."""
