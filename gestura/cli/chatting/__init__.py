"""The conversation behind `gestura chat`: its lines, its session, its files, and the tools that it may call."""
