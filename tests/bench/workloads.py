"""tests/bench/workloads.py: the table of what is measured.

Multiply-adds are nominal: those of products and convolutions alone, with the ones that fall on padding and on the masked
half of causal attention. A training step counts forward, weight gradients and data gradients, but not the data gradient of
a first layer whose input needs none.
"""
from collections import namedtuple

# net, in FILE.net, does `call` (call.c) of n samples, indices below `range`. target: our time over the best peer's that
# the project has set itself, or None.
Case = namedtuple("Case", "name mode n net call range macs target")


def w1(first=784 * 256):
    return first + 256 * 128 + 128 * 10, first


def w2(first=784 * 512):
    return first + 512 * 512 + 512 * 10, first


def w3(first=28 * 28 * 16 * 25):
    return first + 14 * 14 * 32 * 16 * 25 + 1568 * 128 + 128 * 10, first


def w4(depth):
    first = 32 * 32 * 16 * 3 * 9
    macs = first + 64 * 10 + 32 * 32 * 16 * 16 * 9 * 2 * depth
    for channels, size in ((32, 16), (64, 8)):
        square = size * size * channels * channels
        macs += square // 2 * 9 + square // 2 + square * 9 * (2 * depth - 1)
    return macs, first


def w5():
    return 64 * (64 + 128) * 512 + 64 * 128 * 65, 0


def w6():
    return 4 * (128 * 128 * 12 * 128 + 2 * 128 * 128 * 128) + 128 * 128 * 256, 0


# name: multiply-adds a sample and those of the first layer, training batch, targets of train, infer 1, infer batch
MODELS = [
    ("w1_mlp", w1(), 64, (0.60, 0.60, 0.95), 10),
    ("w2_mlp_bn", w2(), 128, (0.60, 0.60, 0.75), 10),
    ("w3_lenet_bn", w3(), 64, (0.45, 0.60, 0.55), 10),
    ("w4_resnet8", w4(1), 32, (0.50, 0.45, 0.50), 10),
    ("w4_resnet20", w4(3), 32, (0.50, 0.45, 0.50), 10),
    ("w5_char_lstm", w5(), 32, (0.45, 0.70), 65),
    ("w6_gpt_mini", w6(), 8, (0.60, 0.75), 256),
    ("w6_gpt_mini_tanh", w6(), 8, (0.60, 0.75), 256),
]

# name: samples, multiply-adds of a forward call, targets by mode (None: measured without one)
OPERATIONS = [
    ("w7_layernorm", 4096, 0, {"fwd": 0.55, "bwd": 0.65, "fwd_bwd": None}),
    ("w7_add_layernorm", 4096, 0, {"fwd": 0.70, "bwd": 0.70, "fwd_bwd": 0.70}),
    ("w7_linear_layernorm", 4096, 4096 * 768 * 768, {"fwd": 0.95}),
    ("w8_bn2d", 32, 0, {"fwd": 0.50, "bwd": 0.60, "fwd_bwd": None, "infer": None}),
    ("w8_conv_bn_relu", 32, 32 * 28 * 28 * 64 * 64 * 9, {"fwd": None, "bwd": None, "fwd_bwd": 0.45, "infer": 0.45}),
    ("w9_conv1x1", 8, 8 * 56 * 56 * 64 * 256, {"fwd": 0.90, "bwd": 0.90, "fwd_bwd": None}),
    ("w9_conv3x3", 8, 8 * 56 * 56 * 64 * 64 * 9, {"fwd": 0.45, "bwd": 0.50, "fwd_bwd": None}),
    ("w9_conv3x3s2", 8, 8 * 14 * 14 * 128 * 256 * 9, {"fwd": 0.80, "bwd": 0.80, "fwd_bwd": None}),
    ("w9_conv7x7s2", 8, 8 * 112 * 112 * 3 * 64 * 49, {"fwd": 0.60, "bwd": 0.60, "fwd_bwd": None}),
    ("w9_dwconv3x3", 8, 8 * 28 * 28 * 128 * 9, {"fwd": 0.50, "bwd": 0.50, "fwd_bwd": None}),
    ("w9_convT4x4s2", 8, 8 * 14 * 14 * 64 * 32 * 16, {"fwd": 0.55, "bwd": 0.55, "fwd_bwd": None}),
    ("w9_conv1d_d2", 8, 8 * 512 * 64 * 64 * 5, {"fwd": 0.85, "bwd": 0.85, "fwd_bwd": None}),
    ("w10_attention", 4, 2 * 4 * 8 * 256 * 256 * 64, {"fwd": 0.50, "bwd": None, "fwd_bwd": 0.55}),
    ("w10_softmax", 4096, 0, {"fwd": 0.60, "bwd": None, "fwd_bwd": None}),
    ("w10_embedding", 4096, 0, {"fwd": 0.90, "bwd": 0.45, "fwd_bwd": None}),
    ("w10_maxpool2", 8, 0, {"fwd": 0.50, "fwd_bwd": None}),
    ("w10_maxpool3s2", 8, 0, {"fwd": 0.60, "fwd_bwd": None}),
]


def model_cases():
    for name, (macs, first), batch, targets, classes in MODELS:
        yield Case(name, "train", batch, name, "train", classes, (3 * macs - first) * batch, targets[0])
        yield Case(name, "infer", 1, name, "infer", classes, macs, targets[1])
        if len(targets) > 2:
            yield Case(name, "infer", batch, name, "infer", classes, macs * batch, targets[2])


def operation_cases():
    for name, n, macs, targets in OPERATIONS:
        for mode, target in targets.items():
            call = "accumulate" if mode == "fwd_bwd" else "infer"
            if name == "w10_embedding" and mode != "fwd":
                call = "dense"
            times = {"bwd": 2, "fwd_bwd": 3}.get(mode, 1)
            yield Case(name, mode, n, mode, call, 50000, macs * times, target)


def matches(name, wanted):
    """w1 names w1_*, not w10_*; w9_conv is a prefix."""
    return name == wanted or name.startswith(wanted if "_" in wanted else wanted + "_")


def cases(only):
    return [c for c in [*model_cases(), *operation_cases()] if not only or any(matches(c.name, w) for w in only)]


def samples(case):
    """What call.c passes as n: an operation whose operands are parameters has a batch of one."""
    return 1 if case.call == "accumulate" else case.n
