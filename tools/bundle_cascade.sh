#!/usr/bin/env bash
# Writes one folder that trains AgileAvatar's networks, and LiftedGAN's beside them, on a bare GPU
# machine within one time limit.
#
#   here:   tools/bundle_cascade.sh PAIRS LABELLED FOLDER
#   there:  bash FOLDER/all.sh RESULTS [MINUTES_OF_THE_FIRST MINUTES_OF_THE_MAPPER MINUTES_OF_LIFTED]
#
# PAIRS is a folder of `portraiture synth --kind pairs --size 128`, LABELLED one of
# tools/label_portraits.py. Encoder, imitator, the stylised generator and LiftedGAN's networks train
# side by side, then the mapper between the first three. RESULTS gets their weights every two
# minutes, split where they are over 15 MB (`cat NAME.* > NAME` joins them), and logs.tgz.
set -euo pipefail
pairs=$1 labelled=$2 folder=$3
program=${PORTRAITURE:-.venv/bin/portraiture}
mkdir -p "$folder/cascade" # filled there, when the first networks are trained
touch "$folder/cascade/.keep"
bundle() { # NAME RECIPE OPTIONS…
  local name=$1 recipe=$2
  shift 2
  "$program" train "$recipe" --preset gpu --bundle "$folder/$name" "$@" >/dev/null
  mkdir -p "$folder/code"
  cp -rn "$folder/$name/code/." "$folder/code/"
  rm -rf "$folder/$name/code"
}
bundle encoder faces-encoder --data "$pairs" --photos "$labelled"
bundle imitator imitator --data "$pairs" ${IMITATOR:+--start "$IMITATOR"}
bundle stylised adversarial-faces --start faces2d --data "$pairs"
bundle lifted lifted
bundle mapper mapper --data "$pairs" --photos "$labelled" --start "$folder/cascade"
for name in imitator stylised mapper; do # one copy of the pairs and the portraits
  cmp -s "$folder/encoder/people.zip" "$folder/$name/people.zip" && rm "$folder/$name/people.zip"
done
rm -rf "$folder/mapper/photos"
cat >"$folder/all.sh" <<'THERE'
#!/usr/bin/env bash
# RESULTS [MINUTES_OF_THE_FIRST MINUTES_OF_THE_MAPPER MINUTES_OF_LIFTED]
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
results=$(cd "$1" && pwd) first=${2:-5.2} last=${3:-3.4} lifted=${4:-9.2}
trained=${TRAINED:-/tmp/trained}
rm -rf "$trained" && mkdir -p "$trained"
for name in imitator stylised mapper; do
  [ -e "$here/$name/people.zip" ] || cp "$here/encoder/people.zip" "$here/$name/people.zip"
done
[ -e "$here/mapper/photos" ] || cp -r "$here/encoder/photos" "$here/mapper/photos"
run() { # NAME MINUTES WORKERS OPTIONS…
  local name=$1 minutes=$2 workers=$3
  shift 3
  python3 "$here/$name/train.py" --minutes "$minutes" --workers "$workers" --out "$trained/$name" \
    --work "$trained/work-$name" "$@" >"$trained/$name.log" 2>&1
}
collect() {
  for path in "$trained"/*/*.safetensors; do
    [ -e "$path" ] || continue
    name=$(basename "$(dirname "$path")")-$(basename "$path")
    if [ "$(stat -c %s "$path")" -gt 15000000 ]; then
      split -b 15000000 -d "$path" "$results/$name."
    else
      cp "$path" "$results/$name"
    fi
  done
  (cd "$trained" && tar czf "$results/logs.tgz.part" ./*.log ./*/grid.png 2>/dev/null)
  mv "$results/logs.tgz.part" "$results/logs.tgz"
}
run lifted "$lifted" 0 ${LIFTED_OPTIONS:-} &
run encoder "$first" 5 ${OPTIONS:-} & one=$!
run imitator "$first" 5 ${OPTIONS:-} & two=$!
run stylised "$first" 0 ${OPTIONS:-} & three=$!
(while sleep 100; do collect; done) & collector=$!
wait $one $two $three
collect
cp "$trained/encoder/encoder.safetensors" "$here/mapper/start/encoder.safetensors"
cp "$trained/imitator/imitator.safetensors" "$here/mapper/start/imitator.safetensors"
cp "$trained/stylised/generator.safetensors" "$here/mapper/start/stylised.safetensors"
run mapper "$last" 10 ${OPTIONS:-}
wait %1
kill $collector
collect
tail -n 3 "$trained"/*.log
THERE
du -sh "$folder"
