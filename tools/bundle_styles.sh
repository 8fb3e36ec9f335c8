#!/bin/sh
# Bundles of the four styles of the engine, and a program that trains them in turn.
#   tools/bundle_styles.sh OUT [PEOPLE] [PRESET]
# There: sh OUT/train.sh MINUTES_EACH; the styles are then in OUT/trained/STYLE/style.safetensors.
set -eu
out=$1 people=${2:-800} preset=${3:-gpu}
mkdir -p "$out"
for style in pixar cartoon caricature comic; do
    portraiture synth --kind latents --style "$style" --people "$people" --views 1 --size 256 \
        --seed 9 --out "$out/people/$style"
    portraiture adapt train --images "$out/people/$style" --crops --preset "$preset" \
        --out "$out/prepared/$style" --bundle "$out/bundles/$style"
done
cat > "$out/train.sh" <<'TRAIN'
here=$(cd "$(dirname "$0")" && pwd)
for style in pixar cartoon caricature comic; do
    python3 "$here/bundles/$style/train.py" --minutes "${1:-3}" --workers 0 \
        --out "$here/trained/$style"
done
TRAIN
