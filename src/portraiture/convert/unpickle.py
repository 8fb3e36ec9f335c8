"""Pickles read as data: an exact allow-list, and inert records for everything that has a class.

bytes ─scan─▶ opcodes known ─Unpickler.find_class─▶ our stand-ins only ─▶ dicts, records, Strided

`find_class` never imports and never returns anything but a stand-in made for this one load, so a
pickle can call nothing else: neither a real class of torch nor a function of Python. A persistent
class (StyleGAN2-ADA's way to put a module's source into its pickle) becomes a `Module` with its
state; its source stays a string, is never compiled, and is forgotten.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

from portraiture.convert.refusal import RefusalError, quoted
from portraiture.convert.scan import scan
from portraiture.convert.tensors import NUMPY, STORAGES, Storage, Strided, from_numpy, strided

Load = Callable[[Any], object]


class Record:
    """An object of a foreign class. state: what the pickle gave it, usually a dictionary."""

    __slots__ = ("state",)
    class_name = ""

    def __new__(cls, *arguments: object) -> Record:
        if arguments:
            raise RefusalError(f"it makes a {quoted(cls.class_name)} with arguments")
        self = object.__new__(cls)
        self.state = {}
        return self

    def __setstate__(self, state: object) -> None:
        self.state = state


class DictRecord(dict):
    """A dictionary of a foreign class, such as OrderedDict; attributes on it are forgotten."""

    __slots__ = ()

    def __init__(self, *arguments: object) -> None:
        if arguments:
            raise RefusalError("it fills a dictionary through its class")
        super().__init__()

    def __setstate__(self, state: object) -> None:
        """torch hangs version numbers on its OrderedDicts."""


class Module:
    """A module of a persistent class: its name and what it holds; its source is forgotten."""

    __slots__ = ("class_name", "state")

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.class_name, self.state = class_name, state


class DtypeRecord:
    """A numpy type, by its code, such as ``"f4"``."""

    __slots__ = ("code",)

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        if code not in NUMPY:
            raise RefusalError(f"it has numbers of the type {quoted(code)}")
        self.code = str(code)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", "|", "="):
            raise RefusalError("it has numbers that are not little-endian")


class ArrayRecord:
    """A numpy array; numpy makes it empty and then sets its state."""

    __slots__ = ("value",)

    def __init__(self, kind: object, shape: object, code: object) -> None:
        self.value: Strided | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), tuple() as shape, DtypeRecord() as dtype, order, bytes() as data):
                self.value = from_numpy(dtype.code, shape, bool(order), data)
            case _:
                raise RefusalError("one of its arrays is malformed")


class _Call:
    """A function of ours under a foreign name; it takes no state, so that nothing sticks to it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> None:
        raise RefusalError("it sets the state of a function")


class StorageType:
    """One of torch's storage classes, as a persistent identifier names it."""

    __slots__ = ("dtype",)

    def __init__(self, name: str) -> None:
        self.dtype = STORAGES[name]

    def __setstate__(self, state: object) -> None:
        raise RefusalError("it sets the state of a class")


def _persistent(meta: object) -> Module:
    match meta:
        case {"type": "class", "class_name": str() as name, "state": dict() as state}:
            return Module(name, state)
        case _:
            raise RefusalError("one of its persistent classes is malformed")


def _parameter(data: object, requires_grad: object, hooks: object) -> Strided:
    if not isinstance(data, Strided):
        raise RefusalError("one of its parameters is not a tensor")
    return data


def _tensor(storage: object, offset: object, shape: object, stride: object, *_: object) -> Strided:
    return strided(storage, offset, shape, stride)


def _scalar(dtype: object, data: object) -> float | int | bool:
    if not isinstance(dtype, DtypeRecord) or not isinstance(data, bytes):
        raise RefusalError("one of its numbers is malformed")
    return from_numpy(dtype.code, (), False, data).tensor().item()


def _latin1(text: object, encoding: object) -> bytes:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise RefusalError("one of its byte strings is malformed")
    return text.encode("latin1")


def _set(items: object = ()) -> set[object]:
    if not isinstance(items, list | tuple) or not all(isinstance(i, str | int) for i in items):
        raise RefusalError("one of its sets has members that are not plain")
    return set(items)


def _size(shape: object = ()) -> tuple[object, ...]:
    if not isinstance(shape, list | tuple):
        raise RefusalError("one of its shapes is malformed")
    return tuple(shape)


FUNCTIONS: dict[tuple[str, str], Callable[..., object]] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): _size,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.multiarray", "_reconstruct"): ArrayRecord,
    ("numpy._core.multiarray", "_reconstruct"): ArrayRecord,
    ("_codecs", "encode"): _latin1,
    ("builtins", "set"): _set,
    ("__builtin__", "set"): _set,
}
"""Foreign functions and what stands for them."""

TYPES: dict[tuple[str, str], type] = {
    ("collections", "OrderedDict"): DictRecord,
    ("dnnlib.util", "EasyDict"): DictRecord,
    ("argparse", "Namespace"): Record,
    ("numpy", "dtype"): DtypeRecord,
    ("numpy", "ndarray"): Record,
    ("torch.nn.modules.container", "Sequential"): Record,
    ("torch.nn.modules.container", "ModuleList"): Record,
    ("torch.nn.modules.activation", "Softplus"): Record,
    ("training.triplane", "OSGDecoder"): Record,
    ("training.volumetric_rendering.renderer", "ImportanceRenderer"): Record,
    ("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"): Record,
    ("training.volumetric_rendering.ray_sampler", "RaySampler"): Record,
    ("training.superresolution", "SuperresolutionHybrid8X"): Record,
    ("training.superresolution", "SuperresolutionHybrid8XDC"): Record,
    ("training.superresolution", "SuperresolutionHybrid4X"): Record,
    ("training.superresolution", "SuperresolutionHybrid2X"): Record,
}
"""Foreign classes and what stands for them. Nothing else is ever given out by `find_class`."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, persistent_load: Load | None, load_bytes: Load | None) -> None:
        super().__init__(io.BytesIO(data), fix_imports=False)
        self._given: dict[tuple[str, str], object] = {}
        self._persistent_load, self._load_bytes = persistent_load, load_bytes

    def find_class(self, module: str, name: str) -> Any:
        key = (module, name)
        if key not in self._given:
            if key == ("torch.storage", "_load_from_bytes") and self._load_bytes is not None:
                self._given[key] = _Call(self._load_bytes)
            else:
                self._given[key] = _stand_in(module, name)
        return self._given[key]

    def persistent_load(self, pid: object) -> Any:
        if self._persistent_load is None:
            raise RefusalError("its pickle names data outside itself")
        return self._persistent_load(pid)


def _stand_in(module: str, name: str) -> object:
    """A new one for every load, so that no pickle can change what the next one gets."""
    key = (module, name)
    if key in FUNCTIONS:
        return _Call(FUNCTIONS[key])
    if key in TYPES:
        return type(name, (TYPES[key],), {"__slots__": (), "class_name": name})
    if module == "torch" and name in STORAGES:
        return StorageType(name)
    raise RefusalError(
        f"it asks for {quoted(module)}.{quoted(name)}, which no known checkpoint needs"
        " (nothing was run)"
    )


def read_pickle(
    data: bytes,
    start: int = 0,
    *,
    persistent_load: Load | None = None,
    load_bytes: Load | None = None,
) -> tuple[Any, int]:
    """The pickle in `data` from `start` on as plain values, `Record`, `Module` and `Strided`,
    and where it ends.

    persistent_load: what stands for data that the pickle names but does not hold. load_bytes: what
    reads the data that a tensor carries inside the pickle. Without them, neither may occur.

    Raises RefusalError for all that `scan` refuses and for any name that is not in the tables
    above.
    """
    end = scan(data, start)
    try:
        return _Unpickler(data[start:end], persistent_load, load_bytes).load(), end
    except RefusalError:
        raise
    except (
        pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError,
        AttributeError, OverflowError, MemoryError, RecursionError, RuntimeError,
    ) as error:  # fmt: skip
        raise RefusalError(f"its pickle is malformed ({quoted(str(error))})") from error


def storage_from(pid: object, given: dict[str, Storage]) -> Storage:
    """The storage that a torch persistent identifier names, the same one for the same key."""
    match pid:
        case ("storage", StorageType() as kind, str() as key, str(), int() as count, *rest):
            pass
        case _:
            raise RefusalError("one of its tensors names its data in an unknown way")
    if rest and rest != [None]:
        raise RefusalError(
            "one of its storages is a view of another, which current files don't have"
        )
    if key not in given:
        given[key] = Storage(kind.dtype, count)
    if (given[key].dtype, given[key].count) != (kind.dtype, count):
        raise RefusalError(f"its data {quoted(key)} has two types or sizes")
    return given[key]


def view_of(value: object) -> Strided | None:
    """The tensor in a value that is one, whether torch or numpy wrote it."""
    if isinstance(value, ArrayRecord):
        return value.value
    return value if isinstance(value, Strided) else None
