"""Mathematics on vectors [N, D]: neighbours, clusters, a classifier, a projection.

It knows no folder, and of lodisc only `errors`.
"""
