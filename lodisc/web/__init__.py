"""The page and its JSON API: one collection, served to a browser by `lodisc serve`."""
