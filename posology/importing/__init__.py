"""Foreign data into the four tables: what a mapping file says, applied to rows, and a report of every row."""
