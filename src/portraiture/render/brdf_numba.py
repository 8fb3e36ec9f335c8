"""Reflection models: spherical-harmonic irradiance, wrapped diffuse, GGX, tone curve."""

from __future__ import annotations

import math

from portraiture.ops.inner import inlined


@inlined
def dot3(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def unit3(x, y, z):
    s = 1.0 / max(math.sqrt(x * x + y * y + z * z), 1e-12)
    return x * s, y * s, z * s


@inlined
def clamp01(x):
    return min(max(x, 0.0), 1.0)


@inlined
def smoothstep(low, high, x):
    t = clamp01((x - low) / (high - low))
    return t * t * (3.0 - 2.0 * t)


@inlined
def mix3(a, b, t):
    return a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), a[2] + t * (b[2] - a[2])


@inlined
def sh_radiance(c, n, k1, k2, channel):
    """One channel of SH coefficients c (9, 3) in direction n, bands 1 and 2 scaled by k1, k2."""
    x, y, z = n
    first = 0.4886025119029199 * (y * c[1, channel] + z * c[2, channel] + x * c[3, channel])
    second = (
        1.0925484305920792 * (x * y * c[4, channel] + y * z * c[5, channel] + x * z * c[7, channel])
        + 0.31539156525252005 * (3.0 * z * z - 1.0) * c[6, channel]
        + 0.5462742152960396 * (x * x - y * y) * c[8, channel]
    )
    return max(0.28209479177387814 * c[0, channel] + k1 * first + k2 * second, 0.0)


@inlined
def diffuse_sh(ambient, n, channel):
    """Irradiance over pi of the SH light (Ramamoorthi and Hanrahan 2001, eq. 12)."""
    return sh_radiance(ambient, n, 2.0 / 3.0, 0.25, channel)


@inlined
def wrapped(cosine, width):
    """The ramp max(0, cosine) convolved with a box of half-width `width`."""
    if cosine >= width:
        return cosine
    if cosine <= -width:
        return 0.0
    return (cosine + width) * (cosine + width) / (4.0 * width)


@inlined
def ggx(ndh, ndl, ndv, alpha):
    """D * V of the GGX microfacet model with Smith's height-correlated masking, V in Hammon's
    approximation (2017, "PBR diffuse lighting for GGX+Smith", slide 84)."""
    a2 = alpha * alpha
    t = ndh * ndh * (a2 - 1.0) + 1.0
    d = a2 / (math.pi * t * t)
    return d * 0.5 / max(2.0 * ndl * ndv * (1.0 - alpha) + (ndl + ndv) * alpha, 1e-4)


@inlined
def fresnel(f0, cosine):
    """Schlick's approximation."""
    m = 1.0 - clamp01(cosine)
    m2 = m * m
    return f0 + (1.0 - f0) * m2 * m2 * m


@inlined
def multibounce(visibility, albedo):
    """Ambient visibility with interreflection from the occluders (Jimenez et al. 2016, "Practical
    real-time strategies for accurate indirect occlusion", eq. 10)."""
    a = 2.0404 * albedo - 0.3324
    b = 4.7951 * albedo - 0.6417
    c = 2.7552 * albedo + 0.6903
    return max(visibility, ((visibility * a - b) * visibility + c) * visibility)


@inlined
def tone(x):
    """Map linear radiance to display-linear: identity up to 0.7, then a smooth shoulder towards 1.

    Mid-tones are preserved: a surface of albedo up to 0.7 under white light of radiance 1 is
    displayed as its albedo; 1 maps to 0.89. Value and slope are continuous at the knee.
    """
    if x <= 0.7:
        return max(x, 0.0)
    return 1.0 - 0.3 * math.exp((0.7 - x) / 0.3)
