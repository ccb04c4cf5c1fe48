"""From files to batches: find photographs, check and decode them, draw views, and load them in parallel."""
