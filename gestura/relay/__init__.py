"""Streams that outlive a connection, a process, a machine: published into a log, and followed from anywhere."""
