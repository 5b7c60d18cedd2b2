"""How a stream is shown on a terminal, in a pipe, or to a program, and what is told while it does not come."""
