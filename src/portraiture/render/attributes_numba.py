"""Geometric attributes for shading: tangents, curvature and texel density."""

from __future__ import annotations

import numpy as np

from portraiture.ops.inner import inner, kernel


def tangents(vertices, normals, uv, faces, along_v):
    """(V, 4): unit tangents, orthogonal to the normals, and the handedness of the UV frame.

    The tangent is dP/du, or dP/dv for triangles with along_v[f] (hair: towards the root). The
    bitangent of a normal map is handedness * (normal × tangent).
    """
    out = np.zeros((len(vertices), 4))
    _tangents(vertices, normals, uv, faces, along_v, out)
    return out


@kernel
def _tangents(vertices, normals, uv, faces, along_v, out):
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        u1, v1 = uv[j, 0] - uv[i, 0], uv[j, 1] - uv[i, 1]
        u2, v2 = uv[k, 0] - uv[i, 0], uv[k, 1] - uv[i, 1]
        det = u1 * v2 - u2 * v1
        if det == 0.0:
            continue
        sign = 1.0 if det > 0.0 else -1.0
        wj, wk = sign * v2, -sign * v1
        if along_v[f]:
            wj, wk = -sign * u2, sign * u1
        x = wj * (vertices[j, 0] - vertices[i, 0]) + wk * (vertices[k, 0] - vertices[i, 0])
        y = wj * (vertices[j, 1] - vertices[i, 1]) + wk * (vertices[k, 1] - vertices[i, 1])
        z = wj * (vertices[j, 2] - vertices[i, 2]) + wk * (vertices[k, 2] - vertices[i, 2])
        length = np.sqrt(x * x + y * y + z * z)
        if length < 1e-20:
            continue
        for corner in (i, j, k):
            out[corner, 0] += x / length
            out[corner, 1] += y / length
            out[corner, 2] += z / length
            out[corner, 3] += sign
    for i in range(out.shape[0]):
        _orthonormal(out[i], normals[i])


@inner
def _orthonormal(tangent, normal):
    """Orthonormalise `tangent` against `normal`; an arbitrary direction where it vanishes."""
    along = tangent[0] * normal[0] + tangent[1] * normal[1] + tangent[2] * normal[2]
    x = tangent[0] - along * normal[0]
    y = tangent[1] - along * normal[1]
    z = tangent[2] - along * normal[2]
    length = np.sqrt(x * x + y * y + z * z)
    if length < 1e-9:
        x, y, z = normal[2], 0.0, -normal[0]
        if x * x + z * z < 1e-6:
            x, y, z = 1.0, 0.0, 0.0
        length = np.sqrt(x * x + z * z)
    tangent[0], tangent[1], tangent[2] = x / length, y / length, z / length
    tangent[3] = 1.0 if tangent[3] >= 0.0 else -1.0


def curvature(vertices, normals, faces):
    """(V,) mean of |normal curvature| over the edges of each vertex, 1/m, smoothed once over its
    neighbours.

    Along an edge from p to q it is (n_q - n_p) · (q - p) / |q - p|².
    """
    total, edges, mean = (np.zeros(len(vertices)) for _ in range(3))
    _curvature(vertices, normals, faces, total, edges, mean)
    return total


@kernel
def _curvature(vertices, normals, faces, total, edges, mean):
    for f in range(faces.shape[0]):
        for k in range(3):
            i, j = faces[f, k], faces[f, (k + 1) % 3]
            turn, length = 0.0, 1e-12
            for c in range(3):
                d = vertices[j, c] - vertices[i, c]
                turn += (normals[j, c] - normals[i, c]) * d
                length += d * d
            bend = abs(turn) / length
            total[i] += bend
            total[j] += bend
            edges[i] += 1.0
            edges[j] += 1.0
    for i in range(total.shape[0]):
        mean[i] = total[i] / max(edges[i], 1.0)
        total[i] = mean[i] * edges[i]
    for f in range(faces.shape[0]):
        for k in range(3):
            i, j = faces[f, k], faces[f, (k + 1) % 3]
            total[i] += mean[j]
            total[j] += mean[i]
    for i in range(total.shape[0]):
        total[i] /= max(2.0 * edges[i], 1.0)


def texel_density(vertices, uv, faces, part, textures):
    """(F,) texels of the base colour per metre of surface."""
    out = np.empty(len(faces))
    _texel_density(vertices, uv, faces, part, textures, out)
    return out


@kernel
def _texel_density(vertices, uv, faces, part, textures, out):
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        u1, v1 = uv[j, 0] - uv[i, 0], uv[j, 1] - uv[i, 1]
        u2, v2 = uv[k, 0] - uv[i, 0], uv[k, 1] - uv[i, 1]
        texels = abs(u1 * v2 - u2 * v1) * textures[part[f], 0, 1] * textures[part[f], 0, 2]
        ax, bx = vertices[j, 0] - vertices[i, 0], vertices[k, 0] - vertices[i, 0]
        ay, by = vertices[j, 1] - vertices[i, 1], vertices[k, 1] - vertices[i, 1]
        az, bz = vertices[j, 2] - vertices[i, 2], vertices[k, 2] - vertices[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        area = np.sqrt(nx * nx + ny * ny + nz * nz)
        out[f] = np.sqrt(texels / max(area, 1e-14))
