"""A fault harness: real operators write through faults and kills, and a judge looks at what came of it."""
