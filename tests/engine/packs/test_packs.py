"""Installing packs: whole or not at all, and nothing that a stranger's archive could do."""

import stat
import zipfile
from pathlib import Path

import pytest

from portraiture.engine.packs import packs
from portraiture.engine.packs.packs import install_pack, installed_packs
from portraiture.errors import AssetError

MHCLO = "basemesh hm08\nname a\nobj_file a.obj\nverts 0\n1\n2\n3\n"
FILES = {
    "LICENSE.txt": "CC0 1.0 Universal",
    "hair/a/a.mhclo": MHCLO,
    "hair/a/a.obj": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "hair/a/run.exe": "never copied",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PORTRAITURE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/assets"


def _folder(path: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def _zip(path: Path, files: dict[str, str] = FILES, top: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(top + name, text)
    return path


def _leftovers(cache: Path) -> list[str]:
    return sorted(p.name for p in cache.iterdir()) if cache.exists() else []


@pytest.mark.parametrize("form", ["folder", "zip", "zip in a folder"])
def test_a_pack_is_installed_and_listed(tmp_path: Path, cache: Path, form: str):
    if form == "folder":
        source = _folder(tmp_path / "my pack")
    else:
        source = _zip(tmp_path / "my pack.zip", top="my-pack/" if "in" in form else "")
    installed = install_pack(source)
    assert installed.name == "my_pack"
    assert installed.licence == "CC0 1.0 Universal" and installed.licence_title == "CC0 1.0"
    assert installed.counts == {"hair": 1} and installed.summary() == "1 hair"
    assert installed_packs() == [installed]
    assert (cache / "my_pack/hair/a/a.obj").read_text() == FILES["hair/a/a.obj"]
    assert not list(cache.rglob("*.exe"))
    assert _leftovers(cache) == ["my_pack"]


def test_the_licence_may_stand_in_the_files(tmp_path: Path):
    files = {"hair/a/a.mhclo": "# Released as CC0 in 2020.\n" + MHCLO}
    installed = install_pack(_folder(tmp_path / "pack", files))
    assert installed.licence == "Released as CC0 in 2020."
    unstated = install_pack(_folder(tmp_path / "other", {"hair/a/a.mhclo": MHCLO}))
    assert unstated.licence == "" and unstated.licence_title == "not stated"


def test_an_installed_pack_is_kept_unless_told(tmp_path: Path, cache: Path):
    install_pack(_folder(tmp_path / "pack"))
    (tmp_path / "pack/hair/a/b.mhclo").write_text(MHCLO)
    with pytest.raises(AssetError, match="--overwrite"):
        install_pack(tmp_path / "pack")
    assert installed_packs()[0].counts == {"hair": 1}
    assert install_pack(tmp_path / "pack", overwrite=True).counts == {"hair": 2}
    assert _leftovers(cache) == ["pack"]


def test_a_failed_overwrite_keeps_the_old_pack(tmp_path: Path, cache: Path):
    install_pack(_folder(tmp_path / "pack"))
    broken = tmp_path / "elsewhere/pack"
    _folder(broken, {"readme.txt": "nothing"})
    with pytest.raises(AssetError, match="no MakeHuman assets"):
        install_pack(broken, overwrite=True)
    assert installed_packs()[0].counts == {"hair": 1}
    assert _leftovers(cache) == ["pack"]


@pytest.mark.parametrize(
    "name", ["../evil.mhclo", "/etc/evil.mhclo", "hair/../../evil.obj", "a\\..\\evil.obj", "c:/x"]
)
def test_paths_out_of_the_archive_are_refused(tmp_path: Path, cache: Path, name: str):
    source = _zip(tmp_path / "pack.zip", {**FILES, name: "x"})
    with pytest.raises(AssetError, match="leads out"):
        install_pack(source)
    assert _leftovers(cache) == []
    assert not list(tmp_path.rglob("evil*"))


def test_links_are_refused(tmp_path: Path, cache: Path):
    source = _zip(tmp_path / "pack.zip")
    with zipfile.ZipFile(source, "a") as archive:
        entry = zipfile.ZipInfo("hair/a/link.obj")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(AssetError, match="link"):
        install_pack(source)
    folder = _folder(tmp_path / "folder")
    (folder / "hair/a/link.obj").symlink_to("/etc/hostname")
    with pytest.raises(AssetError, match="link"):
        install_pack(folder)
    assert _leftovers(cache) == []


def test_bombs_are_refused(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    bomb = _zip(tmp_path / "bomb.zip", {**FILES, "hair/a/zeros.obj": "0" * (4 << 20)})
    with pytest.raises(AssetError, match="suspiciously large"):
        install_pack(bomb)
    monkeypatch.setattr(packs, "MAX_TOTAL_BYTES", 50)
    with pytest.raises(AssetError, match="too large"):
        install_pack(_zip(tmp_path / "fat.zip"))
    monkeypatch.setattr(packs, "MAX_FILES", 2)
    with pytest.raises(AssetError, match="more than 2 files"):
        install_pack(_zip(tmp_path / "many.zip"))
    assert _leftovers(cache) == []


def test_what_is_no_pack_is_refused(tmp_path: Path, cache: Path):
    (tmp_path / "not.zip").write_text("hello")
    with pytest.raises(AssetError, match="not a ZIP"):
        install_pack(tmp_path / "not.zip")
    with pytest.raises(AssetError, match="no file or folder"):
        install_pack(tmp_path / "absent.zip")
    with pytest.raises(AssetError, match="no MakeHuman assets"):
        install_pack(_zip(tmp_path / "empty.zip", {"readme.txt": "hi"}))
    cut = _zip(tmp_path / "cut.zip")
    cut.write_bytes(cut.read_bytes()[:-40])
    with pytest.raises(AssetError, match="not a ZIP"):
        install_pack(cut)
    assert _leftovers(cache) == [] and installed_packs() == []
