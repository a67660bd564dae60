"""Pure decisions about time: limits, the working calendar, one deadline's life, a case's clock."""
