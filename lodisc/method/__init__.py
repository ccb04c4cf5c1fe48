"""The method: a step of global-local contrastive learning, in torch and timm alone."""
