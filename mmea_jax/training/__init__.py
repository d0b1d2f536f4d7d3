"""Runs: from a configuration to trained weights, results and answers."""
