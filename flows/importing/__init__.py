"""Foreign files and databases read into the four tables, as a mapping file says."""
