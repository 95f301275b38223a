"""A snapshot held against the one last accepted: what is gone, what was changed, who joined."""
