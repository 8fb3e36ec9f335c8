"""Errors that a user can cause. Each message is one sentence: what is wrong and what to do."""


class PortraitureError(Exception):
    """Base of every error that the user, not the code, can put right (CLI exit code 2)."""


class PhotoError(PortraitureError):
    """The photo cannot be read or cannot be used (no face, too small, turned away)."""


class ReaderError(PhotoError):
    """The photo's format needs a reader that is not installed."""


class AssetError(PortraitureError):
    """An asset pack or one of its files cannot be used."""


class AvatarError(PortraitureError):
    """Avatar parameters or an avatar file are malformed."""


class ConceptError(AvatarError):
    """A sentence or a name says nothing that the engine can make of a person."""


class OutputError(PortraitureError):
    """The result cannot be written where it was asked for."""


class ExportError(PortraitureError):
    """A file was asked for with options that do not exist or do not go together."""


class TrainingError(PortraitureError):
    """A training run cannot start, go on or use its data."""


class ConversionError(PortraitureError):
    """A foreign checkpoint is damaged, unknown, or asks for something that is not data."""


class CheckpointError(PortraitureError):
    """Weights of ours cannot be found, or they and their card don't fit together."""


class DataError(PortraitureError):
    """Synthetic people cannot be made as asked, or a folder of them cannot be used."""


class SurfaceError(PortraitureError):
    """A head has no surface that could be made into a mesh."""


class SampleError(PortraitureError):
    """Random heads were asked for in a way that cannot be."""


class HeadError(PortraitureError):
    """A neural head's file is damaged, or its generator's weights are not at hand."""


class InversionError(PortraitureError):
    """A photo cannot be turned into a neural head as asked."""


class CancelledError(PortraitureError):
    """Long work was told to end before it had a result."""


class DeviceError(PortraitureError):
    """A device was asked for that is not there."""


class EditError(PortraitureError):
    """A head cannot be edited as asked."""


class RestyleError(PortraitureError):
    """A head cannot be given a style as asked."""


class JobError(PortraitureError):
    """A job cannot be taken on or carried out as asked."""


class QueueFullError(JobError):
    """So many jobs wait already that another one is refused; try again later."""


class IdempotencyError(JobError):
    """An idempotency key was used before for something else."""


class StorageError(JobError):
    """The database of the jobs cannot be reached, read or written just now."""


class BatchError(PortraitureError):
    """A batch of photos cannot be run as asked."""


class RevisedError(JobError):
    """What a job was to change has been changed or deleted meanwhile."""


class PostponedError(PortraitureError):
    """A job cannot be done now, and is to be tried again after `delay` seconds."""

    def __init__(self, sentence: str, delay: float) -> None:
        super().__init__(sentence)
        self.delay = delay


class StudioError(PortraitureError):
    """The studio cannot start as asked."""


class AdaptError(PortraitureError):
    """A style cannot be prepared, or applied as asked."""
