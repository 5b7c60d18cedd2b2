"""What gestura costs, measured beside the bare loop that is the floor and beside its peers.

`python -m benchmarks` (or `make bench`) plans `task`s, runs each in a process of its own, in rounds, so that all
clients see the same weather, and appends what they measured to a file. `results` makes figures of that file, `goals`
judges them, `report` and `chart` show them. A client reads what `server` replays: pre-rendered bytes (`payload`) by the
script of a `workload`.
"""
