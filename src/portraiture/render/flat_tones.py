"""Tones of flat shading and where its light comes from, which the renderer and exports share."""

import numpy as np

from portraiture.ops.vectors import unit

SHADOW = (0.70, 0.62, 0.71)
DEEP = (0.50, 0.46, 0.60)
"""Factors on a flat colour in toon shadows, and on that of halftone dots and full shadow in ink."""
GRAPHITE = (0.30, 0.30, 0.32)
"""Factors on a flat colour under a pencil's stroke."""
PAPER = 0.95
"""Linear reflectance of the paper."""
TOWARDS_KEY = unit(np.array([-0.32, 0.45, 0.85]))
"""Direction of the studio's key light."""
