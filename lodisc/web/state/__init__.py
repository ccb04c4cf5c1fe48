"""The open collection and what is computed from it; it knows no HTTP."""
