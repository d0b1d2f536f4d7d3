"""What a step, matching, loading and a start cost, by method, size and number of devices."""
