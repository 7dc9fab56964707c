#!/usr/bin/env bash
# One press, one digit: everything that is measured about it, in one run. Takes about a quarter of an hour.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== The corpus, by category: hits, misses, extras"
PASSLINE_CORPUS=full cargo test --release --locked -p passline-rtp --test digits_corpus -- --nocapture
echo "== 10 000 seeds of loss, reordering and duplication; the faults of senders; the cases of the field"
PASSLINE_SEEDS=10000 cargo test --release --locked -p passline-rtp --test digits_path --test impairment -- --nocapture
cargo test --release --locked -p passline-rtp --lib event -- --nocapture
echo "== Speech in 18 languages, made by free synthesisers: digits heard where there are none (espeak-ng, flite, sox)"
python3 benches/speech.py 65
echo "== Speed beside spandsp (gcc, libspandsp-dev)"
cargo bench --locked -p passline-benches --bench spandsp
echo "== Live, real callers over a bad network, under the load of 200 calls, with the process stopped now and then"
bash tests/run.sh --test e2e -- --nocapture impairment
