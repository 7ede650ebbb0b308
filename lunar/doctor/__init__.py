"""`lunar doctor`: what is installed here, what would be served and why, and what stands in the way."""
