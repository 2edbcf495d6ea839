"""Pages for admins and auditors, made from logbook, playbooks and inventory: one static site."""
