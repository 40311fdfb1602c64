#!/bin/bash
# What compiles with a warning, and what without one.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# said NET PATTERN: such lines of what netc says of it are those on standard input.
said() {
    (cd "$out" && "$NETC" --color=never -o c "$1.net" </dev/null) 2>&1 | grep "$2" >"$out/got"
    diff - "$out/got" >"$out/log"
}
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

cat >"$out/shapes.net" <<'T'
block own(x, t) { return mse(x, t); }
net shapes {
    batch N = 4;
    input x : f32[N, 3];
    target t : f32[N];
    target same : f32[N, 1];
    y = x |> linear(1);
    loss mse(y, t)
       + l1(t, y)
       + huber(y, t, delta = 2)
       + bce(y, t)
       + own(y, t);
    metric good = mse(y, same) + l1(y, mean(y)) + huber(squeeze(y, 1), t) + bce(y, same);
    optimizer adam();
}
T
said shapes warning <<'T'
shapes.net:8:10: warning: mse: [N,1] and [N] differ in shape: the mean is over [N,N]
shapes.net:9:10: warning: l1: [N] and [N,1] differ in shape: the mean is over [N,N]
shapes.net:10:10: warning: huber: [N,1] and [N] differ in shape: the mean is over [N,N]
shapes.net:11:10: warning: bce: [N,1] and [N] differ in shape: the mean is over [N,N]
shapes.net:1:26: warning: mse: [N,1] and [N] differ in shape: the mean is over [N,N]
T
result $? "a loss of tensors of different shapes is a warning"
[ -f "$out/c/shapes.h" ]
result $? "and compiles"

cat >"$out/twice.net" <<'T'
net twice {
    batch N = 4;
    input x : f32[N, 6];
    target label : i32[N];
    target t : f32[N, 3];
    z = x |> rmsnorm(6) |> rmsnorm(1e-3) |> rmsnorm(eps = 2) |> linear(3);
    p = softmax(z);
    output p;
    loss cross_entropy(p, label)
       + cross_entropy(z, label)
       + bce(sigmoid(z), t)
       + bce(z, sigmoid(t))
       + bce(t, z)
       + cross_entropy(log(p), label);
    optimizer adam();
}
T
said twice '\(warning\|hint\):' <<'T'
twice.net:6:22: warning: rmsnorm: by its place this is eps
twice.net:6:22: hint: sizes of what comes in are known, and left out: rmsnorm
twice.net:9:10: warning: cross_entropy takes logits: it has a softmax of its own
twice.net:11:10: warning: bce takes logits: it has a sigmoid of its own
twice.net:13:10: warning: bce takes logits first, and this is target 't'
T
result $? "a loss of logits that is given none, and a size in place of eps"

# PyTorch's (in, out, ...) is said; what nets have is not, though the channels stay as they are.
cat >"$out/habit.net" <<'T'
block part(x; c) { return x |> conv2d(c, 6, 5); }
net habit {
    batch N = 2;
    input x : f32[N, 3, 40, 40];
    input s : f32[N, 5, 6];
    input w : f32[N, 2, 400];
    c = 3;
    stem = conv2d(3, 64, 4, 2, 1);
    output a = x |> conv2d(3, 6, 3, pad = [1, 1], bias = false) |> global_avgpool;
    output b = x |> stem |> global_avgpool;
    output d = x |> conv2d(c, 2 * c, 5) |> global_avgpool;
    output e = x |> part(3) |> global_avgpool;
    output f = x |> conv_transpose2d(3, 32, 2, 2) |> global_avgpool;
    output g = s |> lstm(6, 12);
    output h = x |> batchnorm(3) |> global_avgpool;
    output i = w |> conv1d(2, 16, 1) |> global_avgpool;
    output j = x |> conv2d(6, 6, 3) |> conv2d(6, 3, 1, 1) |> conv2d(6, 4, 2, 1) |> conv2d(6, 1, 2) |> global_avgpool;
    output k = x |> conv2d(3, 3, 3) |> conv2d(3, kernel = 6, stride = 3) |> global_avgpool;
    output l = x |> conv2d(3, 8, 8) |> conv_transpose2d(3, 8, 4, 2) |> conv_transpose2d(3, 2, 2) |> global_avgpool;
    output m = w |> conv1d(2, 41, 4, 20) |> conv1d(2, 8, 4) |> conv1d(2, 7, 2, 3) |> global_avgpool;
    output n = s |> lstm(6, 2) |> first |> gru(6, layers = 12);
    output o = x |> batchnorm(1) |> batchnorm(axis = 3) |> global_avgpool;
    output p = w |> batchnorm(2) |> global_avgpool;
    output q = x |> residual(conv2d(3, 31, 1, 15, 1, 3)) |> global_avgpool;
    output r = x |> conv_transpose2d(3, 8, 2, 2) |> global_avgpool;
    output t = w |> conv_transpose1d(2, 6, 2) |> global_avgpool;
    output u = x |> conv_transpose2d(3, 4, 2, 2) |> global_avgpool;
    output v = x |> conv2d(3, 6, 2) |> global_avgpool;
    output y = x |> conv_transpose2d(3, 8, 2, 3) |> conv_transpose2d(3, 4, 2, 1) |> conv_transpose2d(3, 3, 2, 1, 1) |> conv2d(3, 8, 2, 3) |> global_avgpool;
    output z = w |> conv_transpose1d(2, 5, 2, 2, 1) |> conv_transpose1d(2, 8, 4, 2) |> conv_transpose1d(2, 2, 2) |> conv1d(2, 4, 2, 2) |> global_avgpool;
}
T
said habit '\(warning\|hint\|note\):' <<'T'
habit.net:9:21: warning: conv2d(3, 6, 3, pad = [1, 1], bias = false) is channels = 3, kernel = 6, stride = 3: sizes of what comes in are known, and left out
habit.net:9:21: hint: did you mean 'conv2d(6, 3, pad = [1, 1], bias = false)'?
habit.net:10:21: hint: sizes of what comes in are known, and left out: conv2d(64, 4, 2, 1)
habit.net:11:21: warning: conv2d(c, 2 * c, 5) is channels = 3, kernel = 6, stride = 5: sizes of what comes in are known, and left out
habit.net:11:21: hint: did you mean 'conv2d(2 * c, 5)'?
habit.net:1:32: warning: conv2d(c, 6, 5) is channels = 3, kernel = 6, stride = 5: sizes of what comes in are known, and left out
habit.net:1:32: hint: did you mean 'conv2d(6, 5)'?
habit.net:12:21: note: in the call of 'part' here
habit.net:13:21: warning: conv_transpose2d(3, 32, 2, 2) is channels = 3, kernel = 32, stride = 2, pad = 2: sizes of what comes in are known, and left out
habit.net:13:21: hint: did you mean 'conv_transpose2d(32, 2, 2)'?
habit.net:14:21: warning: lstm(6, 12) is hidden = 6, layers = 12: sizes of what comes in are known, and left out
habit.net:14:21: hint: did you mean 'lstm(12)'?
habit.net:15:21: warning: batchnorm(3) is axis = 3: sizes of what comes in are known, and left out
habit.net:15:21: hint: did you mean 'batchnorm'?
habit.net:16:21: warning: conv1d(2, 16, 1) is channels = 2, kernel = 16, stride = 1: sizes of what comes in are known, and left out
habit.net:16:21: hint: did you mean 'conv1d(16, 1)'?
habit.net:25:21: warning: conv_transpose2d(3, 8, 2, 2) is channels = 3, kernel = 8, stride = 2, pad = 2: sizes of what comes in are known, and left out
habit.net:25:21: hint: did you mean 'conv_transpose2d(8, 2, 2)'?
habit.net:26:21: warning: conv_transpose1d(2, 6, 2) is channels = 2, kernel = 6, stride = 2: sizes of what comes in are known, and left out
habit.net:26:21: hint: did you mean 'conv_transpose1d(6, 2)'?
habit.net:27:21: warning: conv_transpose2d(3, 4, 2, 2) is channels = 3, kernel = 4, stride = 2, pad = 2: sizes of what comes in are known, and left out
habit.net:27:21: hint: did you mean 'conv_transpose2d(4, 2, 2)'?
habit.net:28:21: warning: conv2d(3, 6, 2) is channels = 3, kernel = 6, stride = 2: sizes of what comes in are known, and left out
habit.net:28:21: hint: did you mean 'conv2d(6, 2)'?
T
result $? "the size of what comes in before a layer's constants is a warning"

cat >"$out/parts.net" <<'T'
net parts {
    batch N = 4;
    input x : f32[N, 15];
    input i : i32[N, 2];
    a, b, c = split(x, 5, 1);
    d, e = split(x, 5, 1);
    f, g, h = split(x, 3, 1);
    j, k, l = split(x, [3, 3, 3, 3, 3], 1);
    output y = a + b + c + d + e + j + k + l;
    output z = f + g + h;
    output u = sum(gather(x, 1, i), [1, 2]);
    output v = take_along_axis(x, 1, i);
    output w = gather(x, range(3), 1);
    output t = gather(ones([9, 2]), i);
}
T
said parts '\(warning\|hint\):' <<'T'
parts.net:5:5: warning: split makes 5 parts of 3, and 3 names take the first of them
parts.net:5:5: hint: 3 parts of 5 are split(x, 3, 1)
parts.net:11:20: warning: gather takes the places of all samples from each: [N,N,2] of [N,15] by [N,2]
parts.net:11:20: hint: what a sample has at places of its own is take_along_axis(x, index, 1)
T
result $? "a split and a gather that PyTorch means otherwise are warnings"

cat >"$out/measured.net" <<'T'
net measured {
    batch N = 4;
    input x : f32[N, 3];
    target t : f32[N, 3];
    output y = relu(x);
    metric error = mse(y, t);
}
T
said measured warning <<'T'
measured.net:6:12: warning: nothing computes the metric 'error': without a loss there is no evaluation
measured.net:4:12: warning: nothing needs the target 't'
T
result $? "a metric without a loss is a warning"

cat >"$out/unread.net" <<'T'
block counted(x) {
    state seen : f32[] = zeros;
    update seen = seen + 1;
    return x;
}
net unread {
    batch N = 4;
    input x : f32[N, 3];
    target t : f32[N, 3];
    relu(x);
    for i in 0..2 { x |> linear(3); }
    require(true, "{x}");
    counted(x);
    fc = linear(3);
    applied = linear(3);
    learning = linear(2);
    stage[0] = linear(3);
    y = x |> applied;
    if (training) { loss mean(x |> learning); }
    loss mse(y, t);
    output y;
    optimizer adam();
}
T
said unread warning <<'T'
unread.net:10:5: warning: nothing reads this value: is a name missing before it, as in `a = ...`?
unread.net:11:26: warning: nothing reads this value: is a name missing before it, as in `a = ...`?
unread.net:14:10: warning: nothing applies the layer 'fc'
T
result $? "a value that nothing reads, and a layer that nothing applies, are warnings"

cat >"$out/settings.net" <<'T'
net settings {
    batch N = 4;
    input x : f32[N, 3];
    target t : f32[N, 2];
    lr_decay = 0.1;
    lr = 1e-3;
    momentum = 0.8;
    momentum = momentum + 0.1;
    epochs = 10;
    batch_size = 4;
    width = 2;
    unused = 3;
    y = x |> linear(width);
    loss mse(y, t);
    output y;
    optimizer rmsprop(lr = lr, momentum = momentum);
}
T
said settings '\(warning\|hint\):' <<'T'
settings.net:5:5: warning: nothing reads 'lr_decay'
settings.net:5:5: hint: it stands in the optimizer's call: optimizer adagrad(lr_decay = ...);
settings.net:9:5: warning: nothing reads 'epochs'
settings.net:9:5: hint: the generated program is told: train --epochs 10
settings.net:10:5: warning: nothing reads 'batch_size'
settings.net:10:5: hint: the batch dimension is declared: batch N = 32;
T
result $? "a setting of the training that a name is given, and nobody reads, is a warning"

cat >"$out/params.net" <<'T'
block scaled(x) {
    param scale : f32[3] = ones;
    param shift : f32[3] = zeros;
    return x * scale;
}
net params {
    batch N = 4;
    input x : f32[N, 3];
    target t : f32[N, 3];
    param w : f32[3] = ones;
    param learning : f32[3] = ones;
    frozen param fixed : f32[3] = ones;
    state seen : f32[] = zeros;
    y = x |> scaled;
    if (training) { y = y * learning; }
    w;
    update seen = 1;
    output y;
    loss mse(y, t);
    optimizer adam();
}
T
said params warning <<'T'
params.net:16:5: warning: nothing reads this value: is a name missing before it, as in `a = ...`?
params.net:10:11: warning: nothing reads the param 'w'
params.net:12:18: warning: nothing reads the frozen param 'fixed'
params.net:3:11: warning: nothing reads the param 'scaled_1.shift'
T
result $? "a parameter that nothing reads is a warning"

# A residual that lost its parentheses.
cat >"$out/twice.net" <<'T'
net twice {
    batch N = 4;
    input x : f32[N, 3];
    h = x + x |> linear(3);
    k = x + h |> relu;
    m = k - k |> layernorm |> linear(3);
    twice = (m + m) |> relu;
    output y = twice + (m |> linear(3)) |> relu;
}
T
said twice 'warning\|hint' <<'T'
twice.net:4:11: warning: 'x + x' goes through the chain: '|>' binds loosest
twice.net:4:11: hint: did you mean 'x + (x |> ...)'?
twice.net:6:11: warning: 'k - k' goes through the chain: '|>' binds loosest
twice.net:6:11: hint: did you mean 'k - (k |> ...)'?
T
result $? "a tensor added to itself before a chain is a warning"

# A constant rate does not ask for the step.
cat >"$out/two.net" <<'T'
net two {
    batch N = 4;
    input x : f32[N, 3];
    target t : f32[N, 2];
    a = linear(5);
    b = linear(2);
    y = x |> a |> relu |> b;
    output y;
    loss mse(y, t);
    optimizer sgd(lr = 0.05) for "a.*";
    optimizer rmsprop(lr = 1e-3);
}
T
"$NETC" -o "$out/two" "$out/two.net" >"$out/log" 2>&1 &&
    for cc in gcc clang; do
        $cc -std=c11 -Wall -Wextra -Werror -Iruntime -I"$out/two" -fsyntax-only "$out"/two/*.c >>"$out/log" 2>&1
    done
[ -f "$out/two/two.h" ] && [ ! -s "$out/log" ]
result $? "two optimizers with constant rates compile without a warning"
