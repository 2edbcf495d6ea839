"""Documentation that is made from what the programs read themselves."""
