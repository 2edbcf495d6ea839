"""What a record says, to people who were not there: notices, the monthly report, the status page, and their ways out."""
