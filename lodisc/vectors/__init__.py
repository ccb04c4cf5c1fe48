"""Mathematics on vectors [N, D]: nearest ones, clusters, a classifier, a plane to look at. It knows no folder."""
