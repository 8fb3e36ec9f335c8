"""Tables of jobs to test."""

from job_tables import table, url

__all__ = ["table", "url"]
