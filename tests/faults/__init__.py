"""A fault harness: real operators write with injected faults and kills, and each write is evaluated."""
