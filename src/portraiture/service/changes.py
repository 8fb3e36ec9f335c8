"""What a PATCH may change of an avatar, checked before a job is queued for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from portraiture.engine.parameters import AvatarParameters
from portraiture.errors import AvatarError
from portraiture.export.arkit import ARKIT_NAMES
from portraiture.types import Style

EDITABLE = ("parameters", "style", "expression")
TABLES = ("shape", "detail")
STYLES: tuple[Style, ...] = get_args(Style)


def check_changes(changes: Mapping[str, Any]) -> None:
    """Raises AvatarError, one sentence, for what no avatar could take."""
    if not changes:
        raise AvatarError(f"There is nothing to change; give some of {', '.join(EDITABLE)}.")
    if unknown := sorted(set(changes) - set(EDITABLE)):
        raise AvatarError(f"{unknown[0][:60]!r} cannot be changed; give {', '.join(EDITABLE)}.")
    if "style" in changes and changes["style"] not in STYLES:
        raise AvatarError(f"There is no such style; choose one of {', '.join(STYLES)}.")
    _check_expression(_table(changes, "expression"))
    changed_parameters(AvatarParameters(), changes)


def changed_parameters(
    parameters: AvatarParameters, changes: Mapping[str, Any]
) -> AvatarParameters:
    """Parameters with those of `changes["parameters"]`; shape and detail are merged by name, and
    null puts a value back to its default. Raises AvatarError."""
    values = parameters.to_dict()
    for name, value in _table(changes, "parameters").items():
        if name in TABLES:
            if not isinstance(value, Mapping):
                raise AvatarError(f"{name} must be a table of values by name.")
            value = _without_null({**values[name], **value})
        values[name] = value
    return AvatarParameters.from_dict(_without_null(values))


def _without_null(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _table(changes: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = changes.get(name, {})
    if not isinstance(value, Mapping):
        raise AvatarError(f"{name} must be a table of values by name.")
    return value


def _check_expression(weights: Mapping[str, Any]) -> None:
    for name, weight in weights.items():
        if name not in ARKIT_NAMES:
            raise AvatarError(f"{name[:60]!r} is none of the 52 ARKit expressions.")
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not (number and 0.0 <= weight <= 1.0):
            raise AvatarError(f"The expression {name} must be a number from 0 to 1.")
