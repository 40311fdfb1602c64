#!/bin/bash
# A name bound to something that cannot be called hides no operation, layer, initialiser or schedule of that name where
# one is meant by its place.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cat >"$out/names.net" <<'END'
net names {
    batch  N = 4;
    input  x : f32[N, 6];
    target sum : f32[N, 2];
    state  mean : f32[] = zeros;
    param  linear : f32[6] = constant(1);
    param  zeros : f32[6] = zeros;
    param  normal : f32[6] = normal(0, 1);
    update mean = 0.9 * mean + 0.1 * mean(x);
    max = x * linear + zeros + normal;
    tanh = tanh(max);
    y = tanh |> linear(2);
    output softmax = softmax(y);
    loss mse(y, sum) + 0 * sum(max(max, axes = 1));
    metric accuracy = accuracy(y, argmax(sum));
    optimizer sgd(lr = linear(0.1, steps = 10));
}
END
if "$NETC" --verify --dump-ir=plan -o "$out/c" "$out/names.net" >"$out/log" 2>&1; then
    for wanted in 'output .*softmax' '@linear_1.weight' '@zeros' '@normal' 'assign @mean' 'metric .*accuracy' 'linear(rate = 0.1'; do
        if grep -q "$wanted" "$out/log"; then echo "ok names $wanted"; else echo "FAILED names $wanted"; fi
    done
else
    cat "$out/log"
    echo "FAILED names"
fi
# Nets may be called what the generated functions call their own.
for net in m n train memory path error count start extra generic fingerprint inits; do
    rm -rf "$out/c"
    printf 'net %s { batch N = 2; input x : f32[N, 3]; target y : i32[N]; l = x |> linear(4); output l; loss cross_entropy(l, y); optimizer sgd(lr = 0.1); }\n' \
        $net >"$out/$net.net"
    if "$NETC" --emit=c,app -o "$out/c" "$out/$net.net" &&
        (cd "$out/c" && $CC -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$OLDPWD/runtime" -c "$net"*.c); then
        echo "ok net $net"
    else
        echo "FAILED net $net"
    fi
done
# A word of C++ alone makes a header for C.
for net in xor class; do
    rm -rf "$out/c"
    printf 'net %s { batch N = 2; input x : f32[N, 3]; target y : i32[N]; l = x |> linear(4); output l; loss cross_entropy(l, y); optimizer sgd(lr = 0.1); }\n' \
        $net >"$out/$net.net"
    if "$NETC" --emit=c,app -o "$out/c" "$out/$net.net" &&
        (cd "$out/c" && $CC -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$OLDPWD/runtime" -c "$net"*.c) &&
        ! g++ -fsyntax-only -x c++ -Iruntime "$out/c/$net.h" 2>"$out/log" && head -n 3 "$out/log" | grep -q "'$net' is a word of C++"; then
        echo "ok net $net"
    else
        echo "FAILED net $net"
    fi
done
# But not what C, its library or the runtime call theirs: refused in a line of the model, before there is C.
for net in nn Nn NN nn_x netrt main free exp sinf std int32_t _Bool int; do
    printf '\nnet %s { batch N = 2; input x : f32[N, 3]; output y = x |> linear(4); }\n' $net >"$out/wrong.net"
    if ! "$NETC" -o "$out/wrong" "$out/wrong.net" 2>"$out/log" && [ ! -e "$out/wrong" ] && [ "$(wc -l <"$out/log")" = 3 ] &&
        head -1 "$out/log" | grep -q "wrong.net:2:[15]: error: a net cannot be called '$net': it is a "; then
        echo "ok net $net is refused"
    else
        cat "$out/log"
        echo "FAILED net $net is refused"
    fi
done
# Within a kernel a value is not called what a function is that the kernel calls.
printf 'net own { batch N = 64; input k0_matmul_add_max_j_0 : f32[N, 512]; output y = k0_matmul_add_max_j_0 |> linear(512) |> relu; }\n' >"$out/own.net"
if "$NETC" --emit=c -o "$out/own" "$out/own.net" >"$out/log" 2>&1 && grep -q '[(, ]k0_matmul_add_max_j_0, ' "$out/own/own_infer.c" &&
    $CC -std=c11 -Wall -Wextra -Iruntime -fsyntax-only "$out/own/own_infer.c" >>"$out/log" 2>&1; then
    echo "ok a function of its own"
else
    cat "$out/log"
    echo "FAILED a function of its own"
fi
# Values may be called anything: their C parameters give way.
for value in uint8_t int32_t _Bool __x NN_X nn_infer ZQ_BATCH zq zq_infer std INT32_MIN NAN context k11_gt; do
    rm -rf "$out/c"
    printf 'net zq { batch N = 2; input %s : f32[N, 3]; target y : i32[N]; l = %s |> linear(4); output l; output over = %s > 0; loss cross_entropy(l, y); optimizer sgd(lr = 0.1); }\n' \
        $value $value $value >"$out/zq.net"
    if timeout 20 "$NETC" --emit=c,app -o "$out/c" "$out/zq.net" >"$out/log" 2>&1 &&
        (cd "$out/c" && $CC -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$OLDPWD/runtime" -fsyntax-only zq*.c) >"$out/log" 2>&1; then
        echo "ok input $value"
    else
        cat "$out/log"
        echo "FAILED input $value"
    fi
done
# So do those of parts of a batch, of steps of a scan, of what is streamed.
compiles() { # compiles NAME OPTIONS: zq.net, without a warning
    rm -rf "$out/c"
    if "$NETC" ${2:-} -o "$out/c" "$out/zq.net" >"$out/log" 2>&1 &&
        (cd "$out/c" && $CC -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Werror -I"$OLDPWD/runtime" -fsyntax-only zq*.c) >"$out/log" 2>&1; then
        echo "ok $1"
    else
        cat "$out/log"
        echo "FAILED $1"
    fi
}
echo 'net zq { batch N = 1024; input first : f32[N, 64]; target y : i32[N];
    l = first |> linear(64) |> relu |> linear(64) |> relu |> linear(4); output l; loss cross_entropy(l, y); optimizer sgd(lr = 0.1); }' >"$out/zq.net"
compiles "input first" --max-bytes=400K
echo 'net zq { batch N = 4; input t0 : f32[N, 6, 5]; y, last = scan (a in t0; h = zeros([N, 5]); axis = 1) { h = tanh(a + h); yield h; }; output y; }' >"$out/zq.net"
compiles "input t0"
echo 'net zq { batch N = 64; input nn_far_y : f32[N, 131072]; output y = softmax(nn_far_y); }' >"$out/zq.net"
compiles "input nn_far_y"
# A local of a kernel hides no net.
for net in one acc total stage; do
    rm -rf "$out/c"
    printf 'net %s { batch N = 2; input x : f32[N, 3]; target y : i32[N]; l = x |> linear(40) |> softmax |> linear(4); output l; loss cross_entropy(l, y); optimizer sgd(lr = 0.1); }\n' \
        $net >"$out/$net.net"
    if "$NETC" -o "$out/c" "$out/$net.net" &&
        (cd "$out/c" && $CC -std=c11 -Wall -Wextra -Wshadow -Werror -I"$OLDPWD/runtime" -fsyntax-only "$net"*.c); then
        echo "ok net $net is not hidden"
    else
        echo "FAILED net $net is not hidden"
    fi
done
# Nor may a net be called as something in its C is.
for net in tensor_rows set_initial_values k0_bound infer_generic; do
    sed "s/net [a-z]* /net $net /" "$out/stage.net" >"$out/wrong.net"
    if ! "$NETC" -o "$out/wrong" "$out/wrong.net" 2>"$out/log" && [ ! -e "$out/wrong" ] &&
        head -1 "$out/log" | grep -q "wrong.net:1:[15]: error: a net cannot be called '$net': the C that comes out calls something else so"; then
        echo "ok net $net is refused"
    else
        cat "$out/log"
        echo "FAILED net $net is refused"
    fi
done
# Nets whose files would bear one name: the second takes nothing of the first's.
for net in pair pair_train; do
    printf 'net %s { batch N = 2; input x : f32[N, 3]; target y : i32[N]; l = x |> linear(4); output l; loss cross_entropy(l, y); optimizer sgd(lr = 0.1); }\n' $net >"$out/$net.net"
done
"$NETC" -o "$out/both" "$out/pair.net" && "$NETC" -o "$out/both" "$out/pair.net" && cp -r "$out/both" "$out/before" &&
    ! "$NETC" -o "$out/both" "$out/pair_train.net" 2>"$out/log" && diff -r "$out/both" "$out/before" &&
    grep -q "both/pair_train.c: error: this file is of the model 'pair', and 'pair_train' has one of that name" "$out/log"
if [ $? = 0 ]; then echo "ok files of another net"; else
    cat "$out/log"
    echo "FAILED files of another net"
fi
