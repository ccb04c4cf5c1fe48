"""The JSON API: one router a file; no router imports another."""
