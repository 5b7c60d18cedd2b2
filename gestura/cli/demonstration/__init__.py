"""What `gestura demo` shows: a tour of what streams do, and six simulated providers side by side."""
