"""Kinds of report: each a module with a function `document(evidence)`, found by its name."""
