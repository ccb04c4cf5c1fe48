"""Show where an encoder looks: attention and pivotal region over photographs."""

from lodisc.explain.attention import AttentionMap, attention_maps
from lodisc.explain.overlay import Tiles, explain, sheet, tiles

__all__ = ["AttentionMap", "Tiles", "attention_maps", "explain", "sheet", "tiles"]
