"""The tasks of a stream: what reads, runs stages and forwards in an attempt, and what decides between attempts."""
