"""Aligning the user's own graphs: pivots where there are no seeds, verdicts, evidence and their files."""
