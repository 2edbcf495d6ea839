"""A patch: from facts to a plan, in waves to an outcome."""
