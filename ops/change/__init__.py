"""A change: the one way in which something is done to hosts, from the request to the record."""
