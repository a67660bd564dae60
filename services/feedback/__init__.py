"""The verdict: the whistle-blower checks and rates, the resident answers, the case closes or is done once more."""
