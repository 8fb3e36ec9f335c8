"""Dressing from a pack: what the names say of sex, age and tone is respected."""

from __future__ import annotations

from pathlib import Path

from portraiture.engine.packs.assets import Asset, AssetKind
from portraiture.engine.packs.dress import dress
from portraiture.engine.parameters import AvatarParameters


def _asset(name: str, kind: AssetKind, root: Path, *, texture: bool = False) -> Asset:
    folder = root / name
    folder.mkdir(exist_ok=True)
    if texture:
        (folder / "diffuse.png").touch()
    return Asset(name, kind, folder / f"{name}.mhclo", "CC0 1.0", root)


def test_names_decide(tmp_path: Path) -> None:
    pack = [
        _asset("female_suit", "clothes", tmp_path),
        _asset("male_suit", "clothes", tmp_path),
        _asset("short01", "hair", tmp_path),
        _asset("short02", "hair", tmp_path, texture=True),
        _asset("long01", "hair", tmp_path, texture=True),
        _asset("young_lightskinned_male", "skin", tmp_path),
        _asset("old_darkskinned_female", "skin", tmp_path),
    ]
    man = AvatarParameters(sex=0.1, age=0.55, skin_melanin=0.2, hair_style="short")
    for seed in range(5):
        names = [asset.name for asset in dress(man, pack, seed)]
        assert names == ["young_lightskinned_male", "short02", "male_suit"]
    woman = AvatarParameters(sex=0.9, age=0.9, skin_melanin=0.8, hair_style="long_wavy")
    names = [asset.name for asset in dress(woman, pack, 0)]
    assert names == ["old_darkskinned_female", "long01", "female_suit"]
    bald = AvatarParameters(sex=0.1, hair_style="bald")
    assert "hair" not in {asset.kind for asset in dress(bald, pack, 0)}


def test_same_seed_same_clothes(tmp_path: Path) -> None:
    pack = [_asset(f"shirt{k}", "clothes", tmp_path) for k in range(20)]
    person = AvatarParameters()
    assert dress(person, pack, 3) == dress(person, pack, 3)
    assert len({dress(person, pack, seed)[0].name for seed in range(20)}) > 5
