"""One photo to the parameters of the engine by cascaded domain bridging: AgileAvatar (Sang et al.,
SIGGRAPH Asia 2022)."""
