"""The logbook: what a record is, the git repository that keeps it, its signatures and their verification."""
