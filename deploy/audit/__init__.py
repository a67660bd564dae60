"""What makes the logs worth believing for people who do not trust us: exports, anchors, redaction, healing."""
