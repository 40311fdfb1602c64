#!/bin/bash
# How a word or an operator of another library is written, as hints say it, compiles as it stands.
set -u
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
result() { if [ "$1" = 0 ]; then echo "ok $2"; else echo "FAILED $2"; head -n 30 "$out/log"; fi; }

compiles() { # compiles STATEMENT [BLOCK]: among the names that hints use, behind this block
    cat >"$out/t.net" <<T
${2:-}
net t {
    batch N = 4;
    input x : f32[N, 4];
    input label : i32[N];
    input image : f32[N, 3, 32, 32];
    input steps : f32[N, 7, 6];
    input volume : f32[N, 3, 8, 8, 8];
    param m : f32[4, 4] = zeros;
    a = m + 1; b = m - 1;
    axis = 1; axes = [1]; parts = 2; perm = [0, 1]; shape = [x.shape[0], 4]; lo = 0; hi = 1; n = 4; index = range(3); slope = 0.25;
    logits = x |> linear(4); logp = logits |> log_softmax; q = logits |> softmax; y = q;
    $1
    output z = mean(m) + f32(label) + mean(image) + mean(steps) + mean(volume);
}
T
    "$NETC" -o "$out/c" "$out/t.net" >"$out/log" 2>&1
}
right() { # right WHAT [BEFORE]: what is said of it in the last log compiles behind these, as a value or as statements
    local written
    written=$(sed -n 's/.*: hint: \(it is written\|of tensors it is\) //p' "$out/log" | sed 's/, of logits$//; s/, and netc .*//; s/, which .*//' | head -n 1)
    [ -n "$written" ] && { compiles "${2:-} h = $written;" || compiles "${2:-} $written;" || compiles "$written"; }
    result $? "$1: $written"
}

words_of() { # words_of FUNCTION: the words of its table
    sed -n "/^[a-z ]*char \*$1(/,/^}/s/.*{ \"\([A-Za-z0-9_]*\)\",.*/\1/p" frontend/foreign.c
}
words=$(words_of operation_form)
[ "$(echo "$words" | wc -l)" -ge 50 ]
result $? "there are words"
for word in $words; do
    compiles "h = $word();"
    right "$word"
done
for word in $(words_of sentence_of); do # what stands in quotes
    compiles "h = $word(x);"
    grep -o "'[^']*[;)]'" <(sed -n 's/.*: hint: //p' "$out/log") >"$out/quoted"
    while read -r quoted; do
        compiles "h = ${quoted//\'/};" || compiles "loss mean(x) + mean(m); ${quoted//\'/}" || compiles "${quoted//\'/}"
        result $? "$word: $quoted"
    done <"$out/quoted"
done
for word in $(words_of foreign_schedule); do
    compiles "h = $word(x);"
    written=$(sed -n 's/.*: hint: a schedule stands as lr = \(.*)\) and counts.*/\1/p' "$out/log")
    compiles "loss mean(logits) + mean(m); optimizer sgd(lr = $written);"
    result $? "$word: $written"
done
for statement in 'h = a // b;' 'h = a % b;'; do
    compiles "$statement"
    right "$statement"
done
for statement in 'h = a && b;' 'h = a || b;' 'h = !x;'; do
    truths='a = a > 0; b = b > 0; x = x > 0;'
    compiles "$truths $statement"
    right "$statement" "$truths"
done

for call in 'leaky_relu(x, 0.1)' 'elu(x, alpha = 0.5)' 'clamp(x, max = 1, min = -1)' 'clamp(x, -n, 2 * n)' 'hardtanh(x, -2, 2)' 'unsqueeze(x, dim = 1)' \
    'torch.cat([x, x], 1)' 'stack(x, x, dim = 1)' 'x.view(-1, 2, 2)' 'x.permute([1, 0])' 'chunk(x, 2, 1)' 'masked_fill(x, x > 0, value = -1e9)' 'torch.rand(3, n)' \
    'F.interpolate(image, scale_factor = 3)' 'F.dropout2d(x, p = 0.5)' 'arange(3)' 'x.clamp(lo, hi)'; do
    compiles "h = $call;"
    right "$call"
done

own() { # own CALL: the same with names that hints do not use, which what is said of it has
    compiles "mine = 2 * x; other = x + 1; picture = 2 * image; h = $1;"
    ! grep '\.net:.* hint: .*\<\([xab]\|image\)\>' "$out/log"
    result $? "$1 has its own tensors"
    right "$1" "mine = 2 * x; other = x + 1; picture = 2 * image;"
}
for call in 'mine.clamp(0, 1)' 'clamp(mine, 0, 1)' 'mine.T' 'mine.size(1)' 'mine.std(1)' 'mine.var()' 'upsample(picture, 2)' 'F.interpolate(picture, scale_factor = 3)' \
    'torch.cat([mine, other, mine], 1)' 'torch.stack((mine, other))' 'mine.mul(other)' 'mine.add(1)' 'mine.masked_fill(other > 0, -1)' '(mine + 1).relu6()' \
    'F.leaky_relu(mine |> linear(3), 0.1)' '(mine |> linear(3)).elu()' 'mine.view(mine.size(0), -1)' 'F.cosine_similarity(mine, other + 1)' 'mine.glu()' \
    'F.binary_cross_entropy_with_logits(mine, other)' 'mine.expand_as(other)' 'mine.unsqueeze(1)' 'torch.tril(mine)'; do
    own "$call"
done
for call in 'leaky_relu' 'leaky_relu(0.2)' 'nn.ELU(0.5)' 'std(1)' 'hardswish' 'upsample(2)'; do # in a chain
    word=${call#nn.} word=${word%(*}
    compiles "h = image |> $call |> flatten |> linear(3);"
    block=$(sed -n 's/.*: hint: a block of the file does it, .*: \(block .* }\).*/\1/p' "$out/log")
    compiles "h = image |> $word |> flatten |> linear(3);" "$block"
    result $? "$call in a chain: $block"
done

instead() { # instead STATEMENTS PART WORDS: of PART in them it is said behind these words what compiles in its place, without them
    local written
    compiles "$1"
    written=$(sed -n "s/.*: hint: $3 *'*//p" "$out/log" | sed "s/'[?]*$//" | head -n 1)
    [ -n "$written" ] && compiles "${1/"$2"/"$written"}" && ! grep -q "hint: $3" "$out/log"
    result $? "$1: $written"
}
size='\(did you mean\|sizes of what .* left out:\)'
for call in 'conv2d(3, 6, 3)' 'conv2d(3, 6, 5, bias = false)' 'conv2d(3, 64, 3, 1, 1)' 'conv2d(3, 32, 1, pad = "same", stride = 1)' \
    'conv2d(3, 8 * (n - 2), 5, 2, weight_init = zeros)' 'batchnorm(3)' 'groupnorm(1, 3)' 'conv_transpose2d(3, 32, 2, 2)' 'conv_transpose2d(3, 8, 2, 2)' \
    'conv_transpose2d(3, 4, 2, 2)'; do
    instead "h = image |> $call;" "$call" "$size"
done
for call in 'linear(6, 128)' 'lstm(6, 12)' 'lstm(6, 12, 2)' 'gru(6, hidden = 12)' 'multi_head_attention(6, 2)' 'rmsnorm(6)'; do
    instead "h = steps |> $call;" "$call" "$size"
done
instead 'h = linear(x, 4, 10);' 'linear(x, 4, 10)' "$size"
instead 'fc = linear(4, 10); h = x |> fc;' 'linear(4, 10)' "$size"

for list in 'reshape(image, |N, 3072|)' 'reshape(image, |-1, 3, n * 256|)' 'transpose(image, |0, 2, 3, 1|)' 'sum(image, |2, 3|)' \
    'zeros(|3, n|)' 'uniform(|3, 4|, 0, 1)' 'mean(image, |(2, 3)|)'; do
    part=${list#*|} part=${part%|*}
    instead "h = ${list//|/};" "$part" 'a list stands in brackets:'
done
for swap in 'transpose(1, 2)' 'transpose(-1, 0)' 'transpose([2, 1])'; do
    instead "h = steps |> $swap;" "$swap" 'these two are swapped by'
done

for part in 'm[:, None]' 'm[:, 0]' 'image[:, -1, :]' 'image[..., 0]' 'image[:, 1:3]' 'image[:, :2, 4:, ::2]' 'image[:, 0, -2]' 'image[..., -1, 3]' 'x[:, ::-1]' \
    'image[:, None, :, None]' 'x[..., None]' 'x[..., None, :]' 'relu(image)[:, 0]' '(image + 1)[:, n - 3, 0]' 'm[0]' 'm[None]' 'm[-1]' 'm[1:3]' 'm[label]' \
    'x[:, np.newaxis]' 'm[m > 0]' 'x[:, 0..2]'; do
    instead "h = $part;" "$part" '\(it is written\|a shape is known as the net is compiled:\)'
done
for part in 'image[0]' 'image[label]'; do
    instead "label = index; h = $part;" "$part" 'axis 0 is that of the samples; of \(axis 1 it is written\|another it is\)'
done
for call in 'clamp(0, 1)' 'nn.ReLU6()' 'unsqueeze(1)' 'permute(0, 2, 1)' 'swish' 'torch.flip(1)'; do
    instead "h = steps |> $call |> flatten;" "$call" 'it is written'
done
instead 'h = transpose(steps, 1, 2);' 'transpose(steps, 1, 2)' 'these two are swapped by'
instead 'h = steps.transpose(1, 2);' 'steps.transpose(1, 2)' 'operations are no methods, and these two are swapped by'

for chain in 'x |> linear(4).relu()' 'linear(4)(x).relu().dropout(p = 0.2)' 'relu(x).sum(1).mean()' '(x |> linear(4)).relu()'; do
    instead "h = $chain;" "$chain" 'operations are no methods:'
done
for chain in '(m ** 2).sum(dim=(0, 1))' 'image.mean(dim=(2, 3), keepdim=True)' '(argmax(x) == label).mean()' '(x > 0).float().mean(dim=1).sqrt()' \
    'argmax(x).float()' 'image.reshape(-1, 3, n * 256)' 'steps.transpose(2, 0, 1).relu()' 'steps.argmax(dim = 1)'; do
    instead "h = $chain;" "$chain" 'operations are no methods:'
done
for power in 'x ** 2' 'x ^ 3' '(x + 1) ** 0.5' '2 ** x' 'mean(argmax(x) == label)' 'sum(x > 0, 1)'; do
    instead "h = $power;" "$power" 'it is written'
done
for logic in '(x > 0) & (x < hi)' '(x > 0) | (x < lo)' '~(x > 0)' '!(x > 0)' 'x // 2' '(x + 1) % n' '(argmax(x) == label) && (mean(x, 1) > 1)' '!x'; do
    instead "h = $logic;" "$logic" '\(of tensors it is\|it is written\)'
done
instead 'h = x | relu;' 'x | relu' 'it is written'
instead 'h = lo == 0 & hi == 1 ? x : -x;' 'lo == 0 & hi == 1' 'it is written'
instead 'h = sum(image, dim = (2, 3));' 'dim = (2, 3)' 'did you mean'
instead 'h = steps |> attention(num_heads = 2);' 'attention(num_heads = 2)' 'did you mean'
instead 'h = x.shape(1);' 'x.shape(1)' "an element's number stands in brackets:"
instead 'h, (hn, cn) = lstm(steps, 8);' 'h, (hn, cn)' 'names stand without parentheses:'
instead 'self.fc = linear(4); h = x |> fc;' 'self.fc' 'a name stands alone:'
for name in 'fc_{i}' 'fc{i}' 'f"fc_{i}"' '"fc_{i}"'; do
    instead "for i in 0..2 { $name = linear(4); x = x |> fc[i]; } h = x;" "$name" 'the number of one of several stands in brackets:'
    instead "for i in 0..2 { fc[i] = linear(4); x = x |> $name; } h = x;" "$name" 'the number of one of several stands in brackets:'
done
for number in 255.0f 1e-3f .5f 2L 1_000f; do
    instead "h = x * $number;" "$number" 'no letter stands behind a number:'
done
instead 'h = x * 0x1F;' 0x1F 'numbers are decimal:'

for of in cross_entropy:logits nll:logp accuracy:logits; do
    function=${of%:*} first=${of#*:}
    instead "h = $function(label, $first);" "$function(label, $first)" 'the labels come second:'
    instead "logits = image; logp = image; label = i32(slice(image, 1, 0, 1)) |> squeeze(1); h = $function($first, label);" "$function($first, label)" \
        'where axis 1 is that of the classes:'
done

for call in 'relu(linear(4))' 'batchnorm(linear(4))' 'dropout(linear(4), 0.1)' 'sum(linear(4), axes = (0, 1))' 'clip(linear(4, bias = false), 0, 1)'; do
    instead "h = $call;" "$call" 'what is applied next stands behind:'
done
for call in 'conv2d(8)' 'maxpool2d' 'conv2d(kernel = [3, 3])' 'groupnorm' 'adaptive_avgpool2d' 'clip' 'residual'; do
    instead "h = image |> $call;" "$call" 'as in'
done
for call in 'linear' 'lstm' 'gru(bias = false)' 'multi_head_attention' 'conv1d(4)' 'rnn()'; do
    instead "h = steps |> $call;" "$call" 'as in'
done
for type in 'f32[784]' 'i32[4]'; do
    instead "target port : $type; h = 1 * f32(port);" "$type" 'it is'
done

for of in 'image + (image |> conv2d(16, kernel = 3, pad = 1))' 'image + (image |> conv2d(16, kernel = 3, pad = 1, stride = 2))' \
    'image - (image |> conv2d(3, kernel = 2, stride = 2))' 'image + (image |> conv2d(12, 3, pad = 1, stride = 2, layout = "nhwc"))'; do
    instead "h = $of;" image 'a convolution brings it to that shape:'
done
for of in 'mean(x, 1) * x' 'x - mean(x, 1)' 'image * mean(image, [2, 3])' 'image + (slice(steps, 1, 0, 1) |> flatten |> linear(3))' 'x / (sum(x, 1) + 1)' \
    'x > mean(x, axes = 1)' 'steps + f32(range(7))'; do
    instead "h = $of;" "$of" 'axes go together from the last:'
done
for shape in 'x + zeros(|[4, 4]|)' 'reshape(x, |[4, 2, 2]|)' 'concat(x, uniform(|[4, 1]|, 0, 1), axis = 1)'; do
    part=${shape#*|} part=${part%%|*}
    instead "h = ${shape//|/};" "$part" '4 is the size of the batch, which is written N:'
done
compiles 'h = image + (image |> conv2d(3, kernel = 5));'
grep -q 'hint: a convolution keeps the size with pad = 2 where its kernel is 5$' "$out/log" && compiles 'h = image + (image |> conv2d(3, kernel = 5, pad = 2));'
result $? 'a pad that keeps the size'
for names in 'h, w = steps |> multi_head_attention(2)' 'h, w, b, a, n = lstm(steps, 8)' 'h, w = x + 1'; do
    instead "$names;" "$names" 'it gives \(one value\|[0-9]* values\):'
done
instead 'h = []; for i in 0..2 { h.append(linear(4)); x = x |> h[i]; } h = x;' 'h.append(linear(4))' 'a list stays as it is; one of several is bound by its number:'

for call in 'layernorm(6)' 'batchnorm(7)'; do
    instead "h = steps |> $call;" "$call" "$size"
done
instead 'h = steps |> layernorm([7, 6]);' 'layernorm([7, 6])' 'sizes are known, and the trailing axes counted:'
for call in 'conv2d(8, 3, pad = |same|)' 'conv2d(8, 3, layout = |nhwc|)' 'gelu(approximate = |tanh|)' \
    'linear(3, weight_init = kaiming_uniform(nonlinearity = |relu|))'; do
    part=${call#*|} part=${part%|*}
    instead "h = image |> ${call//|/};" "$part" 'a word stands in quotes:'
done

for type in 'f32[784]' 'f32[4, 28, 28]' 'u8[28, N]' 'i32[]'; do
    instead "input port : $type; h = 1 * f32(port);" "$type" 'it is'
done
instead 'input port : f32[-1, 3]; h = 1 * port;' -1 'the batch dimension is called'

compiles 'h = max(x, axes = 1); g = argmax(x, 1); h = min(x, axes = 1); g = argmax(-x, 1); h = take_along_axis(x, i32(label) |> expand_dims(1), 1);'
result $? "the places of the largest, and a sample's own places"

for pool in 'maxpool2d(3, 2, ceil_mode = true)' 'maxpool2d(5, 3, 2, ceil_mode = True)' 'avgpool2d(3, stride = 2, ceil_mode = true)' 'avgpool2d(7, 4, 3, ceil_mode = true)'; do
    instead "h = image |> $pool;" "$pool" 'more pad behind does it:'
done
for product in 'x @ x' 'steps @ steps' '(x + 1) @ relu(x)' 'x @ (x |> linear(4))' 'one_hot(index, 4) @ logits' "image' @ image" 'wide @ x' 'x @ wide'; do
    compiles "param wide : f32[6, 4] = ones; h = $product;"
    for written in "$(sed -n 's/.*: hint: it fits as \(.*\), which is .*/\1/p' "$out/log" | sed 's/, which is .*, or as.*//')" \
        "$(sed -n 's/.*: hint: it fits as .*, or as \(.*\), which is .*/\1/p' "$out/log")"; do
        compiles "param wide : f32[6, 4] = ones; h = ${written:-x};"
        result $? "$product: $written"
    done
done
for product in 'x @ slope4' 'slope4 @ m' 'slope4 @ slope4'; do
    instead "param slope4 : f32[4] = ones; h = $product;" "$product" 'of a vector it is'
done
for call in 'x |> conv2d(3, 1)' 'flatten(image) |> conv2d(8, 3)' 'steps |> conv2d(8, kernel = 3, pad = 1)' 'steps |> maxpool2d(2, layout = "nhwc")' \
    'x |> conv1d(3, 3)' 'image |> maxpool1d(2)' 'image |> conv3d(3, kernel = 3)' 'x |> lstm(4)' 'image |> multi_head_attention(1)' 'tokens |> gru(5)' \
    'tokens |> conv1d(5, 3)' 'tokens |> multi_head_attention(4)' 'attention(steps, steps, steps)'; do
    compiles "tokens = i32(steps |> linear(1) |> squeeze(2)); flat = image |> flatten; h = $call;"
    written=$(sed -n 's/.*: hint: [^:]*: //p; s/.* it is \(steps .*\), with one head \(.*\)/\1/p' "$out/log" | head -n 1)
    [ "$call" = 'x |> conv2d(3, 1)' ] && written=x # 4 is no image of one channel
    case $written in '|>'*) written="flatten(image) $written" ;; esac
    compiles "tokens = i32(steps |> linear(1) |> squeeze(2)); h = ${written:-?};"
    result $? "$call: $written"
done
for sum in 'x + image' 'image * x' 'steps + x' 'flat + image' 'image - flat * 2'; do
    instead "flat = image |> flatten; h = $sum;" "$sum" '\(a linear layer makes as many of them\|as many elements in the other shape\):'
done

for call in 'linear 3' 'linear 3 bias = false' 'linear 3, bias = false' 'gelu "tanh"'; do
    instead "h = x |> $call;" "$call" 'arguments stand in parentheses:'
done
instead 'h = relu x;' 'relu x' 'arguments stand in parentheses:'
instead 'output a, b;' 'output a, b;' 'each output is a statement of its own:'
instead 'output (a, b);' 'output (a, b);' 'each output is a statement of its own:'
instead 'output x |> linear(2);' 'output x |> linear(2);' 'an output has a name:'
instead 'output a : f32[4, 4];' 'output a : f32[4, 4];' 'an output has the type of its value:'
instead 'loss mean(m); metric mean(x);' 'metric mean(x);' 'a metric has a name:'
instead 'loss mean(m); metric mean(x), sum(x);' 'metric mean(x), sum(x);' 'each metric is a statement of its own:'
instead 'loss mean(m), mean(a);' 'loss mean(m), mean(a);' 'several losses add up:'
for declared in 'input c : f32(N, 3);' 'input c : float32;' 'input c = f32[N, 3];' 'input f32[N, 3] c;' 'input c, d : f32[N, 3];' 'input c : (None, 3);' 'input c;' \
    'param c : f32(3, 4) = ones;' 'param c = zeros([3, 4]);' 'frozen param c : f32 = ones;' 'state c = f32[4];' 'param c;' 'param c = 0.5;'; do
    instead "$declared" "$declared" 'it is'
done
for optimizer in 'adam(params, lr = 0.001)' 'sgd(net.parameters(), 0.1)' 'sgd(self.parameters(), 1e-2, 0.9)' 'Adam(model.parameters(), lr = 1e-3, betas = (0.9, 0.99))' \
    'SGD(net.parameters())' 'torch.optim.AdamW(list(model.parameters()), learning_rate = 1e-3)'; do
    instead "loss mean(m); optimizer $optimizer;" "optimizer $optimizer;" '\(all.* are trained but those that .freeze. names\|it is written\):*'
done

for call in 'x |> nn.Linear(4, 7)' 'nn.Linear(4, 7, bias = False)(x)' 'image |> nn.Conv2d(3, 16, 3, padding = 1, device = n)' 'image |> nn.BatchNorm2d(3, 1e-3)' \
    'steps |> nn.LSTM(6, 64, 2, batch_first = True)' 'steps |> nn.LayerNorm([7, 6])' 'steps |> nn.MultiheadAttention(6, 3)' 'image |> nn.GroupNorm(1, 3)' \
    'index |> nn.Embedding(9, 4, padding_idx = 0)' 'image |> nn.ConvTranspose2d(3, 8, 2, stride = 2)' 'F.max_pool2d(image, 2)' 'torch.sum(x, dim = 1)' \
    'F.relu(nn.Linear(4, 7)(x))' 'x |> Linear(4, 7)' 'image |> Conv2D(8, 3)' 'x |> Dense(units = 7, activation = "relu")' \
    'image |> MaxPooling2D((2, 2))' 'image |> tf.keras.layers.Conv2D(16, (3, 3), padding = "same", activation = "relu")' 'steps |> layer_norm(6)' \
    'image |> AveragePooling2D(pool_size = (2, 2), strides = 2)' 'image |> BatchNormalization()' 'image |> Conv2d(3, 8, kernel_size = 3)'; do
    part=${call#*|> } part=${part%(x)}
    [ "$call" = 'F.relu(nn.Linear(4, 7)(x))' ] && part=$call
    instead "h = $call;" "$part" '\(a name stands alone:\|did you mean\)'
done
for call in 'Dense(7, activation = "relu")(x)' 'layers.Conv2D(8, 3, activation = "tanh")(image)' 'Dense(3, activation = "softmax")(x + 1)'; do
    instead "h = $call;" "$call" '\(a name stands alone:\|did you mean\)'
done
instead 'h = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), Dense(3))(x);' 'nn.Sequential(nn.Linear(4, 8), nn.ReLU(), Dense(3))(x)' 'it is written'
compiles 'loss nn.CrossEntropyLoss()(logits, index);'
grep -q 'hint: it is written cross_entropy(logits, index), without the call before it$' "$out/log"
result $? "a loss that is made first elsewhere"
