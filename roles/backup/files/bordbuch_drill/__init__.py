"""A drill by drill.py.

What is decided, data in and data out: words, request, target, listing, recovery, contents. What acts: programs, restore, server,
and the steps in prepare, compare, replay, application. The rest is the run and its result.
"""
