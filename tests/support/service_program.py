"""A service whose workers do `job_cases.make_files`: PORT FOLDER DATABASE, until it is killed."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from job_cases import make_files

from portraiture.jobs.worker import WorkerConfig
from portraiture.service.run import serve
from portraiture.service.settings import ServiceSettings
from portraiture.service.store import Store


def main(port: str, folder: str, database: str) -> None:
    settings = ServiceSettings(Path(folder), database or None, open=True, rate=1e6, burst=10**6)
    config = WorkerConfig(lease_s=2.0)
    work = partial(make_files, Store(Path(folder)).results)
    serve(settings, host="127.0.0.1", port=int(port), workers=2, work=work, config=config)


if __name__ == "__main__":
    main(*sys.argv[1:])
