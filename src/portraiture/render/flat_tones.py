"""Tones of flat shading, which the renderer and the exports share."""

SHADOW = (0.70, 0.62, 0.71)
DEEP = (0.50, 0.46, 0.60)
"""Factors on a flat colour in toon shadows, and on that of halftone dots and full shadow in ink."""
