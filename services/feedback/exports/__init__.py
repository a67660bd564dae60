"""A scorecard handed out: workbook, CSV, printable pages."""
