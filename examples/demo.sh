#!/bin/bash
# examples/demo.sh: compiles examples/digits, trains it, evaluates it, runs one inference. Needs no network.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build} out=$B/demo
mkdir -p "$out"
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

say "1. examples/digits/digits.net to C"
"$B/netc" --emit=c,app,ir,html -o "$out" examples/digits/digits.net
wc -l "$out"/digits*.[ch] | sed 's/^/   /'

say "2. the C to a program"
${CC:-gcc} -O2 -march=native -Iruntime -I"$out" -o "$out/digits" "$out"/digits*.c "$B/libnetrt.a" -lz -lm
ls -l "$out/digits" | awk '{ print "   " $NF ", " $5 " bytes" }'

say "3. training on the first 1,400 of 1,797 images, 30 epochs"
gzip -dc examples/digits/digits.csv.gz | head -n 1400 >"$out/train.csv"
gzip -dc examples/digits/digits.csv.gz | tail -n 397 >"$out/test.csv"
"$out/digits" train --in "image=$out/train.csv:0-63" --in "label=$out/train.csv:64" --epochs 30 --seed 1 \
    --save "$out/digits.safetensors"

say "4. the 397 images it has not seen"
"$out/digits" eval --weights "$out/digits.safetensors" --in "image=$out/test.csv:0-63" --in "label=$out/test.csv:64"

say "5. one inference"
head -n 1 "$out/test.csv" >"$out/one.csv"
"$out/digits" infer --weights "$out/digits.safetensors" --in "image=$out/one.csv:0-63" --out "logits=$out/logits.npy"
head -n 1 "$out/one.csv" | tr , '\n' | head -n 64 |
    awk '{ c = "  "; if ($1 > 4) c = "++"; if ($1 > 10) c = "##"; printf "%s", c } NR % 8 == 0 { print "" }'
# the ten logits stand behind the .npy file's 128 bytes of head
od -An -v -t f4 -j 128 "$out/logits.npy" | tr -s ' \n' '\n\n' |
    awk 'NF { if (!n || $1 > most) { most = $1; at = n } n++ } END { print "   it says: " at }'

say "Where to look"
cat <<T
   the generated C   $out/digits_infer.c, $out/digits_train.c, $out/digits.h
   the dump          $out/digits.ir
   the report page   $out/digits.html: model, graphs after each pass, C, memory; open it in a browser
   Fashion-MNIST     make data-fashion, then examples/lenet/README.md
T
