"""What the studio holds for its one user: an avatar with its history, a head, and work.

edit ─Editor─▶ Avatar ─steps kept by Memo─▶ Bust ─PartFiles─▶ the parts that the page lacks
The latest edit wins: work for an earlier one ends before its next step.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.avatar import Avatar
from portraiture.engine.build import build_bust, head_of
from portraiture.engine.memo import Memo
from portraiture.engine.packs.assets import Asset
from portraiture.engine.shape import HeadShape
from portraiture.engine.style.recipes import restyle_parameters
from portraiture.errors import AvatarError
from portraiture.progress import Progress, raise_if_cancelled
from portraiture.recent import Recent
from portraiture.studio.changes import Editor, PhotoSkin
from portraiture.studio.heads import Heads
from portraiture.studio.jobs import Jobs
from portraiture.studio.parts import PartFiles
from portraiture.types import Bust

MOST_UNDONE = 100
WORN_KEPT = 4
"""Sets of worn assets that are kept, so that they stay the same objects for the memo."""
SITTER_PX = 400
"""Longer side of the small photo beside the avatar."""
NO_AVATAR = "There is no avatar yet; start with a photo or a random person."


class SupersededError(Exception):
    """A later edit has come; nobody waits for this one."""


@dataclass
class History:
    """past, future: avatars before and after `now`. gesture: edits of one drag of a slider are
    undone together."""

    original: Avatar
    now: Avatar
    past: list[Avatar] = field(default_factory=list)
    future: list[Avatar] = field(default_factory=list)
    gesture: str = ""

    def change(self, avatar: Avatar, gesture: str) -> None:
        """The avatar after an edit."""
        if not gesture or gesture != self.gesture:
            self.past = [*self.past, self.now][-MOST_UNDONE:]
        self.now, self.future, self.gesture = avatar, [], gesture

    def undo(self) -> None:
        """Back by one edit, where there is one."""
        if self.past:
            self.future.append(self.now)
            self.now, self.gesture = self.past.pop(), ""

    def redo(self) -> None:
        """Forward again by one edit that was undone."""
        if self.future:
            self.past.append(self.now)
            self.now, self.gesture = self.future.pop(), ""


class Session:
    """The state of one studio. Safe to use from any thread."""

    def __init__(self) -> None:
        self.jobs = Jobs()
        self.history: History | None = None
        self.photo: UInt8[ndarray, "h w 3"] | None = None
        self.notes: tuple[str, ...] = ()
        self.heads = Heads()
        self.files = PartFiles()
        self._editor = Editor(None)
        self._lock = threading.RLock()
        self._building = threading.Lock()
        self._revision = 0
        self._wanted = threading.local()
        self._memo = Memo(self._check_wanted)
        self._assets: Recent[tuple[Any, ...], Sequence[Asset]] = Recent(WORN_KEPT)

    def begin(
        self, avatar: Avatar, *, photo: ndarray | None = None, notes: tuple[str, ...] = ()
    ) -> None:
        """Start from an avatar; what was edited before is forgotten."""
        with self._lock:
            self.history = History(avatar, avatar)
            self.photo, self.notes = photo, notes
            skin = None
            if avatar.albedo is not None:
                skin = PhotoSkin(avatar.albedo, avatar.parameters)
            self._editor = Editor(skin)
            self._revision += 1

    def edit(self, changes: Mapping[str, Any], gesture: str = "") -> int:
        """Apply an edit; the number of the state after it. Raises AvatarError."""
        with self._lock:
            history = self._begun()
            history.change(self._editor.changed(history.now, changes), gesture)
            self._revision += 1
            return self._revision

    def undo(self) -> int:
        """Undo the last edit; the number of the state after it. Raises AvatarError."""
        with self._lock:
            self._begun().undo()
            self._revision += 1
            return self._revision

    def redo(self) -> int:
        """Do again what was undone; the number of the state after it. Raises AvatarError."""
        with self._lock:
            self._begun().redo()
            self._revision += 1
            return self._revision

    @property
    def avatar(self) -> Avatar:
        """The avatar as it is now. Raises AvatarError where there is none."""
        with self._lock:
            return self._editor.toned(self._begun().now)

    @property
    def original(self) -> Avatar:
        """The avatar before all edits. Raises AvatarError where there is none."""
        with self._lock:
            return self._begun().original

    def sitter(self) -> bytes:
        """A small JPEG of the photo; empty where there is none."""
        photo = self.photo
        if photo is None:
            return b""
        image = Image.fromarray(photo)
        image.thumbnail((SITTER_PX, SITTER_PX))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=85)
        return out.getvalue()

    def about(self) -> dict[str, Any]:
        """What the page shows beside the avatar's geometry."""
        with self._lock:
            history = self._begun()
            now = history.now
            return {
                "revision": self._revision,
                "parameters": now.parameters.to_dict(),
                "original": history.original.parameters.to_dict(),
                "style": now.style,
                "original_style": history.original.style,
                "expression": dict(now.expression),
                "original_expression": dict(history.original.expression),
                "photo_skin": now.albedo is not None,
                "has_photo_skin": self._editor.skin is not None,
                "has_photo": self.photo is not None,
                "notes": list(self.notes),
                "undo": len(history.past),
                "redo": len(history.future),
            }

    def bundle(self, have: Collection[str], *, revision: int | None = None) -> bytes:
        """The avatar's parts that the page lacks. revision: of the edit that asks; None: whatever
        comes, this is wanted. Raises SupersededError, AvatarError."""
        with self._building, self._while(lambda: self._check_latest(revision)):
            self._check_wanted()
            with self._lock:
                avatar, about = self.avatar, self.about()
            bust, shape = self.build(avatar)
            self._check_wanted()
            return self.files.bundle(bust, shape, have=have, about=about)

    def original_bundle(self, have: Collection[str]) -> bytes:
        """The parts of the avatar before all edits."""
        with self._building:
            bust, shape = self.build(self.original)
            return self.files.bundle(bust, shape, have=have, about=self.about())

    def prepare(self, avatar: Avatar, progress: Progress) -> None:
        """Build and encode an avatar that will be begun with. Raises CancelledError."""
        with self._building, self._while(lambda: raise_if_cancelled(progress)):
            bust, shape = self.build(avatar)
            self.files.bundle(bust, shape, have=(), about={})

    def build(self, avatar: Avatar) -> tuple[Bust, HeadShape]:
        """The neutral bust and its head, from steps that were run before where they still hold."""
        bust = build_bust(
            avatar.parameters, style=avatar.style, albedo=avatar.albedo,
            assets=self._assets.get((avatar.assets, avatar.asset_folder), avatar.worn_assets),
            makeover=avatar.makeover, run=self._memo.call,
        )  # fmt: skip
        restyled = restyle_parameters(avatar.parameters, avatar.style)
        return bust, self._memo.call(head_of, restyled, avatar.style, None, avatar.makeover)

    def bust(self, avatar: Avatar) -> Bust:
        """What exports write: an avatar, its expression noted."""
        with self._building:
            return replace(self.build(avatar)[0], expression=dict(avatar.expression))

    def _begun(self) -> History:
        if self.history is None:
            raise AvatarError(NO_AVATAR)
        return self.history

    @contextmanager
    def _while(self, check: Callable[[], None]) -> Iterator[None]:
        """Work of this thread that goes on while `check` raises nothing; threads of a pool do other
        work afterwards, to which that no longer applies."""
        self._wanted.check = check
        try:
            yield
        finally:
            self._wanted.check = None

    def _check_wanted(self) -> None:
        """Raises what this thread's work ends with where nobody waits for it any more."""
        check = getattr(self._wanted, "check", None)
        if check is not None:
            check()

    def _check_latest(self, revision: int | None) -> None:
        """Raises SupersededError where an edit has come after `revision`."""
        if revision is not None and revision != self._revision:
            raise SupersededError
