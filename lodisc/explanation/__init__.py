"""Show where an encoder looks: attention and pivotal region over photographs."""

from lodisc.explanation.attention import Look, look
from lodisc.explanation.overlay import Tiles, explain, sheet, tiles

__all__ = ["Look", "Tiles", "explain", "look", "sheet", "tiles"]
