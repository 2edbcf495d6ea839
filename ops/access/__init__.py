"""Who may do what: as configured, against what is really on the hosts."""
