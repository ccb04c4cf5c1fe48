"""Show where an encoder looks: attention and pivotal region over photographs."""

from lodisc.explanation.attention import AttentionMap, attention_maps
from lodisc.explanation.overlay import Tiles, explain, sheet, tiles

__all__ = ["AttentionMap", "Tiles", "attention_maps", "explain", "sheet", "tiles"]
