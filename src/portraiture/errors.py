"""Errors that a user can cause. Each message is one sentence: what is wrong and what to do."""


class PortraitureError(Exception):
    """Base of every error that the user, not the code, can put right (CLI exit code 2)."""


class PhotoError(PortraitureError):
    """The photo cannot be read or cannot be used (no face, too small, turned away)."""


class AssetError(PortraitureError):
    """An asset pack or one of its files cannot be used."""


class AvatarError(PortraitureError):
    """Avatar parameters or an avatar file are malformed."""


class OutputError(PortraitureError):
    """The result cannot be written where it was asked for."""
