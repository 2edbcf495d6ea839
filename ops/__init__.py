"""Bordbuch on the controller: planned, approved, applied, verified and recorded changes to Debian hosts."""
