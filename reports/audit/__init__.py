"""Statistical claims recomputed from what is printed: what holds, and what cannot be true."""
