"""The version of this package, which files say they were made by."""

__version__ = "0.1.0"
