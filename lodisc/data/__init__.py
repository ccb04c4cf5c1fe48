"""From files to batches: find, check and decode photographs, draw views, load them in parallel."""
