"""What our modules share on a host. Standard library and python3-apt only: this code runs there, not here."""
