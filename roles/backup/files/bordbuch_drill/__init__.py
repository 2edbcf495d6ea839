"""A drill by drill.py.

What is decided, data in and data out: wal, words, request, target, listing, recovery, contents. What acts: programs, pgbackrest,
server, and the steps in prepare, compare, replay, application. The rest is the run and its result.
"""
