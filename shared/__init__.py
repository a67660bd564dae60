"""What the services share: the language they speak (`contracts`) and the machinery they run on (`runtime`)."""
