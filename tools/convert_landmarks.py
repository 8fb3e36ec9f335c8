"""Convert the four networks of mediapipe's wheel that `portraiture.photo` runs.

    face_*.tflite ─▶ graph, constants ─▶ constants folded, paddings explicit ─▶ NAME.safetensors

Needs mediapipe 0.10.21 (``pip install portraiture[convert-landmarks]``), nothing of it at run time.
Each file holds the weights as the original stores them (fp16; sparse ones as a bit mask and their
values) and, in its metadata, the operations for `portraiture.photo.graph.Graph` as JSON.

    python tools/convert_landmarks.py [--out src/portraiture/assets/landmarks] [--show]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from safetensors.numpy import save_file
from tflite_file import Operation, Original, read

OUT = Path(__file__).parents[1] / "src/portraiture/assets/landmarks"
NETWORKS = {
    "face_short_range": (
        "face_detection/face_detection_short_range",
        {"regressors": "boxes", "classificators": "scores"},
    ),
    "face_full_range": (
        "face_detection/face_detection_full_range_sparse",
        {"Identity": "boxes", "Identity_1": "scores"},
    ),
    "face_mesh": (
        "face_landmark/face_landmark_with_attention",
        {
            "output_mesh_identity": "mesh",
            "output_lips": "lips",
            "output_left_eye": "left_eye",
            "output_right_eye": "right_eye",
            "output_left_iris": "left_iris",
            "output_right_iris": "right_iris",
            "conv_faceflag": "presence",
        },
    ),
    "selfie": ("selfie_segmentation/selfie_segmentation", {"activation_10": "person"}),
}
"""Name of ours: (file in mediapipe/modules, its outputs' names to ours)."""


class Lowered:
    """The operations of `Graph` and the weights they name, made from an `Original`.

    Channels come first in the result and every padding is explicit; a ReLU joins the convolution
    or sum before it, a padding of the image the convolution after it.
    """

    def __init__(self, original: Original):
        self.original = original
        self.operations: list[dict[str, Any]] = []
        self.weights: dict[str, ndarray] = {}
        self.margins: dict[int, tuple[int, list[int]]] = {}
        self.uses = Counter(i for one in original.operations for i in one.inputs)
        for one in original.operations:
            self._lower(one)

    def _value(self, number: int) -> str:
        return f"t{number}"

    def _weight(self, number: int, values: ndarray) -> str:
        self.weights[f"w{number}"] = np.ascontiguousarray(values)
        return f"w{number}"

    def _emit(self, op: str, one: Operation, inputs: list[int], **attributes: Any) -> None:
        self.operations.append(
            {
                "op": op,
                "inputs": [self._value(number) for number in inputs],
                "output": self._value(one.outputs[0]),
                **attributes,
            }
        )

    def _lower(self, one: Operation) -> None:
        first, rest = one.inputs[0], one.inputs[1:]
        shape, out = self.original.shapes[first], self.original.shapes[one.outputs[0]]
        constants = self.original.constants
        match one.kind:
            case "conv" | "depthwise":
                self._convolution(one)
            case "Convolution2DTransposeBias":
                stride = struct.unpack("<3i", one.custom)[1:]
                kernel = constants[rest[0]].transpose(3, 0, 1, 2)
                assert kernel.shape[2:] == stride == (2, 2)  # no overlap, hence no padding
                names = self._weight(rest[0], kernel), self._weight(rest[1], constants[rest[1]])
                self._emit("deconv", one, [first], weight=names[0], bias=names[1], stride=2)
            case "pad":
                (_, _), rows, columns, channels = constants[rest[0]].tolist()
                if channels[1]:
                    assert rows == columns == [0, 0] and channels[0] == 0
                    self._emit("pad_channels", one, [first], count=channels[1])
                else:
                    self.margins[one.outputs[0]] = first, [*columns, *rows]
            case "relu":
                (before,) = (b for b in self.operations if b["output"] == self._value(first))
                assert before["op"] in ("conv", "add") and not before["relu"]
                assert self.uses[first] == 1
                before |= {"relu": True, "output": self._value(one.outputs[0])}
            case "prelu":
                slope = constants[rest[0]].reshape(-1)
                assert slope.shape == shape[-1:]
                self._emit("prelu", one, [first], weight=self._weight(rest[0], slope))
            case "add":
                assert one.option(0) in (0, 1) and not set(one.inputs) & set(constants)
                self._emit("add", one, one.inputs, relu=one.option(0) == 1)
            case "mul" if rest[0] in constants:
                assert one.option(0) == 0
                self._emit("scale", one, [first], weight=self._weight(rest[0], constants[rest[0]]))
            case "mul" | "logistic" | "hard_swish":
                assert one.option(0) == 0
                self._emit(one.kind, one, one.inputs)
            case "max_pool":
                assert one.option(1, "i") == one.option(2, "i") == 2 and one.option(5) == 0
                assert one.option(3, "i") == one.option(4, "i") == 2
                assert shape[1] % 2 == shape[2] % 2 == 0  # no padding
                self._emit("max_pool", one, [first])
            case "average_pool":
                assert (one.option(4, "i"), one.option(3, "i")) == shape[1:3] and out[1:3] == (1, 1)
                self._emit("mean", one, [first])
            case "resize":
                assert not one.option(2) and one.option(3)  # half-pixel centres
                assert out[1:3] == (2 * shape[1], 2 * shape[2])
                self._emit("double", one, [first])
            case "depth_to_space":
                self._emit("depth_to_space", one, [first], block=one.option(0, "i"))
            case "reshape":
                self._emit("rows", one, [first], width=out[-1])
            case "concatenation":
                assert one.option(0, "i") == 1 and len(out) == 3
                self._emit("concatenation", one, one.inputs)
            case "strided_slice":
                assert shape == out and not constants[rest[0]].any()  # all of it
                self._emit("rows", one, [first], width=out[-1])
            case _:
                self._attention(one)

    def _convolution(self, one: Operation) -> None:
        first, kernel, bias = one.inputs
        deep = one.kind == "depthwise"
        stride = one.option(1, "i"), one.option(2, "i")
        activation = one.option(4 if deep else 3)
        dilation = [one.option(number, "i", 1) for number in ((5, 6) if deep else (4, 5))]
        assert stride[0] == stride[1] and dilation == [1, 1] and activation in (0, 1)
        weight = self.original.constants[kernel].transpose(3, 0, 1, 2)
        weight = weight if deep else weight.transpose(1, 0, 2, 3)
        first, margin = self.margins.get(first, (first, [0, 0, 0, 0]))
        if one.option(0) == 0:  # "SAME": what is missing, the odd one at the end
            assert not any(margin)
            for axis in (2, 1):
                size, kept = self.original.shapes[first][axis], weight.shape[axis + 1]
                missing = max((-(-size // stride[0]) - 1) * stride[0] + kept - size, 0)
                place = 0 if axis == 2 else 2
                margin[place : place + 2] = [missing // 2, missing - missing // 2]
        # Laid out as the original's memory is: out × height × width × in.
        self._emit(
            "conv",
            one,
            [first],
            weight=self._weight(kernel, weight),
            bias=self._weight(bias, self.original.constants[bias]),
            stride=stride[0],
            margin=margin,
            groups=weight.shape[0] if deep else 1,
            relu=activation == 1,
        )

    def _attention(self, one: Operation) -> None:
        """mediapipe's own operations, in their second version."""
        from flatbuffers import flexbuffers

        options: Any = flexbuffers.Loads(one.custom) if one.custom else {}
        match one.kind:
            case "Landmarks2TransformMatrix":
                assert options["target_rotation_radians"] == 0.0
                assert options["scale_x"] == options["scale_y"]
                assert options["output_width"] == options["output_height"]
                self._emit(
                    "region",
                    one,
                    one.inputs,
                    left=options["left_rotation_idx"],
                    right=options["right_rotation_idx"],
                    points=options["subset_idxs"],
                    scale=options["scale_x"],
                    size=options["output_width"],
                )
            case "TransformTensorBilinear":
                assert options["output_width"] == options["output_height"]
                self._emit("sample", one, one.inputs, size=options["output_width"])
            case "TransformLandmarks":
                self._emit("transform", one, one.inputs)
            case kind:
                raise ValueError(f"operation {kind} is not known")


def packed(weights: dict[str, ndarray]) -> dict[str, ndarray]:
    """Weights of which more than half is zero as their values and a bit mask in raster order."""
    tensors = {}
    for name, values in weights.items():
        if values.size > 64 and (values == 0).mean() > 0.5:
            tensors[f"{name}.mask"] = np.packbits(values.reshape(-1) != 0)
            tensors[f"{name}.values"] = values[values != 0]
        else:
            tensors[name] = values
    return tensors


def convert(path: Path, outputs: dict[str, str], out: Path) -> list[dict[str, Any]]:
    """One .tflite file to one of ours. outputs: their names to ours. Returns the operations."""
    original = read(path)
    lowered = Lowered(original)
    graph = {
        "input": f"t{original.inputs[0]}",
        "size": original.shapes[original.inputs[0]][1],
        "outputs": {outputs[original.names[i]]: f"t{i}" for i in original.outputs},
        "operations": lowered.operations,
        "sparse": {
            name: values.shape
            for name, values in lowered.weights.items()
            if name not in packed({name: values})
        },
    }
    metadata = {
        "graph": json.dumps(graph, separators=(",", ":")),
        "source": f"mediapipe 0.10.21, {path.name}",
        "licence": "Apache-2.0, Copyright The MediaPipe Authors",
    }
    save_file(packed(lowered.weights), out, metadata)
    return lowered.operations


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--show", action="store_true", help="print every operation")
    options = parser.parse_args()
    spec = importlib.util.find_spec("mediapipe")
    if spec is None or spec.origin is None:
        raise SystemExit("mediapipe is missing: pip install 'portraiture[convert-landmarks]'")
    modules = Path(spec.origin).parent / "modules"
    for name, (place, outputs) in NETWORKS.items():
        target = options.out / f"{name}.safetensors"
        operations = convert(modules / f"{place}.tflite", outputs, target)
        print(f"{name}: {target.stat().st_size / 1e3:.0f} kB, {len(operations)} operations,")
        print(
            "  " + ", ".join(f"{n} {op}" for op, n in Counter(o["op"] for o in operations).items())
        )
        if options.show:
            for one in operations:
                print("  " + json.dumps(one))


if __name__ == "__main__":
    main()
