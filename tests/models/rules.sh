#!/bin/bash
# Rules of the language about what happens over several calls: each claim is a test. See rules.net and drive.c.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
"$NETC" --verify --dtype=f64 --emit=c -o "$out" tests/models/rules.net &&
    $CC -std=c11 -O0 -DMODEL=rules_model -Iruntime -I"$out" ${SANITIZE:+-fsanitize=address,undefined} -o "$out/drive" \
        tests/models/drive.c "$out"/rules*.c "$B/libnetrt.a" -lz -lm || { echo "FAILED rules: it does not compile"; exit 1; }
run() { printf '%b\n' "$1" | "$out/drive"; }        # run COMMANDS
claim() { # claim NAME EXPECTED FOUND
    if [ "$2" = "$3" ]; then echo "ok rules $1"; else printf 'expected: %s\nfound:    %s\nFAILED rules %s\n' "$2" "$3" "$1"; fi
}
values() { awk -v name="$1" '$1 == name { $1 = ""; printf "%s", $0 }'; }

claim "a later update sees the earlier one" " 4 10" "$(run 'step\ntensors\nstep\ntensors' | values a)"
claim "other reads see the old value" " 1 4" "$(run 'step\ntensors\nstep\ntensors' | values before)"
claim "a layer applied twice updates twice" " 2 4" "$(run 'step\ntensors\nstep\ntensors' | values c.times)"
claim "evaluation and inference update nothing" " 0" "$(run 'eval\ninfer\ntensors' | values c.times)"
plain='set x 1 2 3 4 5 6 7 8 9 10 11 12\nset i 0 1 2 3\nset t 0 1 2 0\n'
claim "evaluating in between changes no training" "$(run "${plain}step\nstep\nstep\ntensors" | grep -v loss)" \
    "$(run "${plain}step\neval\ninfer\nstep\ninfer\nstep\ntensors" | grep -v 'loss\|logits\|noise\|total\|two')"
claim "training draws anew at each step" 2 "$(run "${plain}accumulate\naccumulate" | sort -u | wc -l)"
claim "inference draws anew at each call" 2 "$(run "${plain}infer\ninfer" | grep noise | sort -u | wc -l)"
claim "a seed gives the same run" "$(run "seed 5\n${plain}step\nstep\ntensors")" "$(run "seed 5\n${plain}step\nstep\ntensors")"
claim "losses add up" 3 "$(run "${plain}n 4\nset w 0 0 0\neval\nset w 1 1 1\nset e 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\nset x 0 0 0 0 0 0 0 0 0 0 0 0\neval" |
    awk '$1 == "loss" { last = $2 } END { printf "%.12g", last - log(3) }')"
claim "an output without N is written whole" " 3" "$(run "${plain}n 1\ninfer" | values total)"
claim "metrics are means over the samples given" " 1.5" "$(run "n 2\nset i 0 1\nset t 1 2\neval" | values two)"
claim "freeze counts where it stands in a loop and an if" "trained_here.weight" \
    "$(run "${plain}accumulate\ngrads" | awk '/_here/ { print $1 }')"
for bad in 3 -1 -99; do
    claim "label $bad is an error of the call" "error -3" "$(run "${plain}set t 0 1 $bad 0\nstep" | cut -d ' ' -f 1-2)"
done
claim "after an error the model is as before" "$(run "${plain}tensors")" \
    "$(run "${plain}set t 0 1 3 0\nstep\ntensors" | grep -v error)"
claim "ignore_index is no error" loss "$(run "${plain}set t 0 1 -100 0\neval" | head -n 1 | cut -d ' ' -f 1)"
claim "all labels ignored: the loss is what the others are" "loss 3" "$(run "${plain}set t -100 -100 -100 -100\neval" | head -n 1)"
claim "all labels ignored: gradients are 0" "" "$(run "${plain}set t -100 -100 -100 -100\naccumulate\ngrads" | grep -i nan)"
for bad in 5 -1 -2; do
    claim "index $bad is an error of the call" "error -3" "$(run "${plain}set i 0 1 2 $bad\ninfer" | cut -d ' ' -f 1-2)"
done
claim "more samples than N are an error of the call" "error -2" "$(run 'n 0\ninfer' | cut -d ' ' -f 1-2)"
