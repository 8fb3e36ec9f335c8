"""Run inside a Python that has bpy: import a GLB and print what Blender sees, as JSON."""

import json
import sys
from pathlib import Path

import bpy

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=sys.argv[1])
objects = bpy.data.objects
depsgraph = bpy.context.evaluated_depsgraph_get()
meshes = {}
for thing in objects:
    if thing.type != "MESH" or thing.parent is None:
        continue
    keys = thing.data.shape_keys
    points = [
        thing.matrix_world @ vertex.co for vertex in thing.evaluated_get(depsgraph).data.vertices
    ]
    meshes[thing.name] = {
        "keys": [block.name for block in keys.key_blocks] if keys else [],
        "armature": any(modifier.type == "ARMATURE" for modifier in thing.modifiers),
        "groups": len(thing.vertex_groups),
        "low": [min(p[axis] for p in points) for axis in range(3)],
        "high": [max(p[axis] for p in points) for axis in range(3)],
        "images": sorted(
            node.image.name
            for slot in thing.material_slots
            for node in slot.material.node_tree.nodes
            if node.type == "TEX_IMAGE" and node.image.size[0] > 0
        ),
    }
armatures = [thing for thing in objects if thing.type == "ARMATURE"]
seen = {
    "armatures": [thing.name for thing in armatures],
    "bones": [bone.name for thing in armatures for bone in thing.data.bones],
    "meshes": meshes,
    "scene": {k: str(v) for k, v in bpy.context.scene.items()},
}
Path(sys.argv[2]).write_text(json.dumps(seen))
