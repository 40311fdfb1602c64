#!/bin/bash
# A wrong command line of a generated program: status 2, one line on standard error that says what to write, before anything
# else is done.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log" "$out/stderr"; fi; }
cat >"$out/tiny.net" <<'END'
net tiny {
    batch N = 4;
    input x : f32[N, 2];
    target y : f32[N, 1];
    z = x |> linear(1);
    output z;
    loss mse(z, y);
    optimizer sgd(lr = 0.1);
}
END
printf '1,2,3\n4,5,6\n7,8,9\n' >"$out/d.csv"
"$NETC" --emit=c,app -o "$out/c" "$out/tiny.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Iruntime -o "$out/tiny" "$out"/c/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1
result $? "compiles"
says() { # says STATUS WORDS COMMAND...: just that, and nothing on standard output
    local status=$1 words=$2
    shift 2
    (cd "$out" && ./tiny "$@") >"$out/log" 2>"$out/stderr"
    [ $? = "$status" ] && [ ! -s "$out/log" ] && [ "$(cat "$out/stderr")" = "tiny: $words" ]
    result $? "tiny $*"
}
(cd "$out" && ./tiny train --in x=d.csv:0-1 --in y=d.csv:2 --save w --quiet)
data="--in x=d.csv:0-1 --in y=d.csv:2"
for option in batch every; do
    says 2 "train: --$option takes a whole number from 1 on, not '0'" train $data --checkpoint ck --$option 0
done
says 2 "bench: --n takes a whole number from 1 on, not '0'" bench --n 0
says 2 "bench: --iters takes a whole number from 1 on, not '0'" bench --iters 0
says 2 "train: --epochs takes a whole number from 0 on, not '-1'" train $data --epochs -1
for word in --epoch=1 --skip --no; do
    case $word in --epoch*) meant=--epochs ;; --skip) meant=--skip-lines ;; *) meant=--no-shuffle ;; esac
    says 2 "train: no option ${word%=*}; did you mean $meant? (tiny train --help)" train $data $word 1
done
says 2 "train: no option --epoch; did you mean --epochs? (tiny train --help)" train $data --epoch 1
says 2 "infer takes inputs alone, and 'y' is a target: leave out --in y=d.csv:2" infer $data --weights w --out z=z.npy
(cd "$out" && ./tiny infer --help | grep -q 'input x' && ! ./tiny infer --help | grep -q 'target y' && ./tiny eval --help | grep -q 'target y')
result $? "infer --help lists inputs, eval --help targets too"
says 1 "bench --kernels: the model's C was compiled without -DNN_PROFILE" bench --kernels
says 1 "bench --kernels: the model's C was compiled without -DNN_PROFILE" bench --kernels --json --train

# Any number of samples is inferred; of an output without a row for each, as many as a call takes, unless it is not asked for.
cat >"$out/rows.net" <<'END'
net rows {
    batch N = 2;
    input x : f32[N, 2];
    output y = 2 * x;
    output total = sum(x);
    output pairs = x @ x';
    output same = range(2);
}
END
"$NETC" --emit=c,app -o "$out/r" "$out/rows.net" >"$out/log" 2>&1 &&
    gcc -std=c11 -O1 -Iruntime -o "$out/rows" "$out"/r/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >"$out/log" 2>&1 &&
    (cd "$out" && ./rows infer --in x=d.csv:0-1 --out y=y.csv --out same=s.csv) >"$out/log" 2>"$out/stderr" &&
    [ "$(cat "$out/y.csv" "$out/s.csv")" = "$(printf '2,4\n8,10\n14,16\n0\n1')" ]
result $? "outputs with rows, and one that is the same in every call, of more samples than a call takes"
for output in "total is of all samples of a call" "pairs has no row for each sample"; do
    (cd "$out" && ./rows infer --in x=d.csv:0-1 --out "${output%% *}=o.csv") >"$out/log" 2>"$out/stderr"
    [ $? = 1 ] && [ ! -e "$out/o.csv" ] &&
        [ "$(cat "$out/stderr")" = "rows: output '${output%% *}' ${output#* }: up to 2 samples can be given" ]
    result $? "output $output"
done
head -n 2 "$out/d.csv" >"$out/two.csv"
(cd "$out" && ./rows infer --in x=two.csv:0-1 --out total=t.csv --out pairs=p.csv) >"$out/log" 2>"$out/stderr" &&
    [ "$(cat "$out/t.csv" "$out/p.csv")" = "$(printf '12\n5,14\n14,41')" ]
result $? "and of as many samples as a call takes"

# `check` near a kink: only a small step stays on one side of it. Where none does, it says so.
cat >"$out/kink.net" <<'END'
net kink {
    batch N = 4;
    input x : f32[N, 1];
    param a : f32[1] = constant(at);
    output y = relu(x * a);
    loss mean(y);
}
END
for at in 3e-7 0.0; do
    sed "s/constant(at)/constant($at)/" "$out/kink.net" >"$out/kinks.net"
    "$NETC" --dtype f64 --emit=c,app -o "$out/k" "$out/kinks.net" >"$out/log" 2>&1 &&
        gcc -std=c11 -O1 -Iruntime -o "$out/kink" "$out"/k/*.c "$B/libnetrt.a" ${SANITIZE:+-fsanitize=address,undefined} -lz -lm >>"$out/log" 2>&1
    "$out/kink" check >"$out/log" 2>"$out/stderr"
    status=$?
    case $at in
    3e-7) [ $status = 0 ] && grep -q "all 1 gradients agree" "$out/log" ;;
    *) [ $status = 1 ] && grep -q "1 of 1 gradients differ from central differences, or stand at a kink of relu or max: another --seed or other samples tell" "$out/stderr" ;;
    esac
    result $? "check of a gradient beside a kink at $at"
done
