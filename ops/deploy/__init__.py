"""Bringing hosts to what the roles say: what would change, the question, the playbook, the record."""
