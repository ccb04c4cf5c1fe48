"""The method: a step of global-local contrastive learning; of lodisc it knows `vectors` alone."""
