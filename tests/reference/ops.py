#!/usr/bin/python3
"""Writes tests/ops/figures.def: what PyTorch and NumPy compute for the rows of tests/ops/cases.def, in double.

    FIGURE(label, "y0", numbers...)     the results, in order
    FIGURE(label, "dx0", numbers...)    rows marked CORNER: gradients of sum(w0 * y0) + sum(w1 * y1), where w are the
                                        weights that tests/unit/ops_cases.c draws too

Operands are drawn from one generator that the checker repeats. Made with Debian 12's python3-torch 1.13.1 and
python3-numpy 1.24.2. Run it from the root of the sources after changing cases.def.
"""
import math
import re
import numpy as np
import torch
import torch.nn.functional as F

MASK = (1 << 64) - 1


class Draw:
    """Knuth's linear congruential generator, started from a label by FNV-1a."""

    def __init__(self, label):
        self.state = 0xCBF29CE484222325
        for c in label.encode():
            self.state = ((self.state ^ c) * 0x100000001B3) & MASK

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 11) * 2.0**-53


def tensor(text, label):
    """'f32[2,3] -2 2' as a double or int64 tensor."""
    m = re.fullmatch(r"\s*(\w+)\[([\d,]*)\]\s+(\S+)\s+(\S+)\s*", text)
    kind, low, high = m.group(1), float(m.group(3)), float(m.group(4))
    shape = [int(d) for d in m.group(2).split(",") if d]
    draw, count = Draw(label), int(np.prod(shape))
    if kind == "f32":
        data = [low + (high - low) * draw.next() for _ in range(count)]
    else:
        data = [low + math.floor((high - low + 1) * draw.next()) for _ in range(count)]
    t = torch.tensor(data, dtype=torch.float64).reshape(shape)
    return t if kind in ("f32", "whole") else t.to(torch.int64)


def attributes(text):
    out = {}
    for m in re.finditer(r"(\w+) = (\[[^\]]*\]|[^,]+)", text):
        v = m.group(2).strip()
        if v.startswith("["):
            v = [int(i) for i in v[1:-1].split(",") if i]
        elif v in ("true", "false"):
            v = v == "true"
        elif re.fullmatch(r"-?\d+", v):
            v = int(v)
        elif re.fullmatch(r"-?[\d.]+(e-?\d+)?", v):
            v = float(v)
        out[m.group(1)] = v
    return out


def wrap(t):
    return ((t + 2**31) % 2**32) - 2**31


def i32(f):
    """Integer arithmetic at 32 bits; products of int32 fit in Python's integers, not in int64."""
    def g(x, a):
        if x[0].dtype != torch.int64:
            return f(*x)
        rows = zip(*[t.flatten().tolist() for t in x])
        return torch.tensor([((f(*r) + 2**31) % 2**32) - 2**31 for r in rows]).reshape(x[0].shape)
    return g


def cast(x, a):
    if a["to"] == "i32" and x[0].dtype == torch.float64:
        return torch.clamp(torch.trunc(x[0]), -2**31, 2**31 - 1).to(torch.int64)
    return (x[0] != 0).to(torch.int64) if a["to"] == "bool" else x[0].to(torch.float64)


def reduction(f):
    def g(x, a):
        return f(x[0], dim=tuple(a["axes"]), keepdim=a.get("keepdims", False))
    return g


def prod(x, a):
    y = x[0]
    for i in sorted(a["axes"], reverse=True):
        y = torch.prod(y, dim=i, keepdim=a.get("keepdims", False))
    return y


def moments(x, a):
    keep = a.get("keepdims", False)
    return (x[0].mean(dim=a["axes"], keepdim=keep),
            x[0].var(dim=a["axes"], unbiased=False, keepdim=keep))


def argmax(x, a):
    return torch.from_numpy(np.argmax(x[0].numpy(), axis=a["axis"]))


def cumsum(x, a):
    if not a.get("reverse"):
        return torch.cumsum(x[0], a["axis"])
    return torch.flip(torch.cumsum(torch.flip(x[0], [a["axis"]]), a["axis"]), [a["axis"]])


def pad(x, a):
    return torch.from_numpy(np.pad(x[0].numpy(), np.array(a["pairs"]).reshape(-1, 2), constant_values=a["value"]))


def dilate(x, a):
    shape = list(x[0].shape)
    shape[a["axis"]] = a["length"]
    y = np.zeros(shape)
    at = [slice(None)] * len(shape)
    at[a["axis"]] = slice(0, (x[0].shape[a["axis"]] - 1) * a["step"] + 1, a["step"])
    y[tuple(at)] = x[0].numpy()
    return torch.from_numpy(y)


def slice_(x, a):
    at = [slice(None)] * x[0].dim()
    at[a["axis"]] = slice(a["begin"], a["end"], a.get("step", 1))
    return x[0][tuple(at)]


def iota(x, a):
    shape = [1] * len(a["shape"])
    shape[a["axis"]] = -1
    return torch.arange(a["shape"][a["axis"]]).reshape(shape).expand(a["shape"])


# Philox4x32-10: Salmon, Moraes, Dror, Shaw, SC 2011.
def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


SEED, STEP = 7, 3


def uniform01(stream, count):
    words = [w for block in range((count + 4) // 4 + 1)
             for w in philox([block, 0, STEP, stream], [SEED, 0])]
    return [(w >> 8) * 2.0**-24 for w in words[:count + count % 2]]


def uniform(x, a):
    count = int(np.prod(a["shape"]))
    u = np.array(uniform01(a["stream"], count)[:count])
    return torch.from_numpy((a["low"] + (a["high"] - a["low"]) * u).reshape(a["shape"]))


def normal(x, a):
    count, out = int(np.prod(a["shape"])), []
    u = uniform01(a["stream"], count)
    for i in range(0, count, 2):
        r = math.sqrt(-2 * math.log(1 - u[i]))
        out += [r * math.cos(2 * math.pi * u[i + 1]), r * math.sin(2 * math.pi * u[i + 1])]
    return torch.from_numpy((a["mean"] + a["deviation"] * np.array(out[:count])).reshape(a["shape"]))


def matmul(x, a):
    return (x[0].transpose(-1, -2) if a.get("ta") else x[0]) @ (x[1].transpose(-1, -2) if a.get("tb") else x[1])


def padded(x, a, value):
    pairs = [a["pad"][2 * i:2 * i + 2] for i in range(x.dim() - 2)]
    return F.pad(x, [p for pair in reversed(pairs) for p in pair], value=value)


def convolve(x, w, a):
    f = [F.conv1d, F.conv2d, F.conv3d][x.dim() - 3]
    return f(padded(x, a, 0.0), w, stride=a["stride"], dilation=a["dilation"], groups=a.get("groups", 1))


def conv_dx(x, a):
    dy, w = x
    z = torch.zeros([dy.shape[0], w.shape[1] * a.get("groups", 1)] + a["size"], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(convolve(z, w, a), z, dy)[0]


def conv_dw(x, a):
    z, dy = x
    shape = [dy.shape[1], z.shape[1] // a.get("groups", 1)] + a["kernel"]
    w = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(convolve(z, w, a), w, dy)[0]


def toom_cook(tile, kernel):
    """Matrices in, weight and out of F(tile, kernel) by Cook and Toom: polynomials at the points and at infinity."""
    if kernel == 1:
        return np.eye(tile), np.ones((tile, 1)), np.eye(tile)
    n = tile + kernel - 1
    points = {3: [0.0, 1.0], 4: [0.0, 1.0, -1.0], 6: [0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)]}[n]
    into, weight, out = np.zeros((n, n)), np.zeros((n, kernel)), np.zeros((tile, n))
    for j, p in enumerate(points):
        others = [q for q in points if q != p]
        into[j, : n - 1] = np.poly(others)[::-1]
        weight[j] = [p**i / np.prod([p - q for q in others]) for i in range(kernel)]
        out[:, j] = [p**i for i in range(tile)]
    into[n - 1], weight[n - 1, kernel - 1], out[tile - 1, n - 1] = np.poly(points)[::-1], 1, 1
    return into, weight, out


def winograd_form(tile, kernel, stride):
    """With stride 2 the even elements of window and image, and the odd ones, are convolutions of their own, which add up."""
    if stride == 1:
        return toom_cook(tile, kernel)
    halves = [toom_cook(tile, (kernel + 1) // 2), toom_cook(tile, kernel // 2)]
    into, weight = [], []
    for i, (a, g, _) in enumerate(halves):
        rows = np.zeros((len(a), 2 * tile + kernel - 2)), np.zeros((len(g), kernel))
        rows[0][:, i::2][:, : a.shape[1]] = a
        rows[1][:, i::2] = g
        into.append(rows[0])
        weight.append(rows[1])
    return np.concatenate(into), np.concatenate(weight), np.concatenate([h[2] for h in halves], 1)


def winograd_spread_form(tile, kernel, pad):
    """Of an image with zeros between its elements, and `pad` more in front: result r sees every second element of the
    window, the even ones where it begins at an element of the image."""
    halves = [toom_cook(tile // 2, (kernel + 1) // 2), toom_cook(tile // 2, kernel // 2)]
    first = [(pad + half) % 2 for half in range(2)]  # of the results that see the even elements, the odd ones
    begin = [(first[half] + half - pad) // 2 + pad // 2 for half in range(2)]  # from the tile's first element on
    into = np.zeros((sum(len(h[0]) for h in halves), max(b + len(h[0]) for b, h in zip(begin, halves))))
    out = np.zeros((tile, len(into)))
    row = 0
    for r, b, (a, _, y) in zip(first, begin, halves):
        into[row : row + len(a), b : b + len(a)] = a
        out[r::2, row : row + len(a)] = y
        row += len(a)
    return into, out


def winograd_tiles(x, before, shape, tile, side, step, apart):
    """[sample, row, column, side, side, channel]: what the tiles of a result of this shape are made from. `apart`: elements
    of a tile lie so far apart, and as many tiles in one another's gaps. Lists hold a number for each axis."""
    begins = [[i * step[a] * apart[a] + j for i in range(-(-shape[a] // (tile[a] * apart[a]))) for j in range(apart[a])]
              for a in range(2)]
    room = [max(begins[a]) + side[a] * apart[a] + x.shape[1 + a] + before[a] for a in range(2)]
    wide = np.zeros((x.shape[0], *room, x.shape[3]))
    wide[:, before[0] : before[0] + x.shape[1], before[1] : before[1] + x.shape[2]] = x
    ends = [[b + side[a] * apart[a] for b in begins[a]] for a in range(2)]
    at = [[wide[:, i : k : apart[0], j : m : apart[1]] for j, m in zip(begins[1], ends[1])]
          for i, k in zip(begins[0], ends[0])]
    return np.array(at).transpose(2, 0, 1, 3, 4, 5)


def winograd_weight(x, a):
    w = x[0].numpy()
    g = [winograd_form(a["tile"][i], w.shape[i], a["stride"][i])[1] for i in range(2)]
    return torch.from_numpy(np.einsum("iu,uvco,jv->ijco", g[0], w, g[1]))


def winograd(x, a):
    d, u, pad, tile, stride, up, apart = x[0].numpy(), x[1].numpy(), *(a[k] for k in "pad tile stride up dilation".split())
    d = d[..., : u.shape[2]]
    into, out, step, shape = [], [], [], []
    for i in range(2):
        kernel = u.shape[i] - (tile[i] // up[i] - 1) * stride[i] * up[i]
        reach = (kernel - 1) * apart[i] + 1
        form = winograd_form(tile[i], kernel, stride[i]) if up[i] == 1 else winograd_spread_form(tile[i], kernel, pad[2 * i])
        into.append(form[0])
        out.append(form[-1])
        step.append(tile[i] * stride[i] // up[i])
        shape.append(((d.shape[1 + i] - 1) * up[i] + 1 + pad[2 * i] + pad[2 * i + 1] - reach) // stride[i] + 1)
    tiles = winograd_tiles(d, [pad[0] // up[0], pad[2] // up[1]], shape, tile, [m.shape[1] for m in into], step, apart)
    v = np.einsum("iu,sabuvc,jv->sabijc", into[0], tiles, into[1])
    t = np.einsum("ui,sabijo,vj->sabuvo", out[0], np.einsum("sabijc,ijco->sabijo", v, u), out[1])
    # tile a, element u along an axis: place (a // apart, u, a % apart)
    n, down, across = t.shape[:3]
    t = t.reshape(n, down // apart[0], apart[0], across // apart[1], apart[1], tile[0], tile[1], -1)
    y = t.transpose(0, 1, 5, 2, 3, 6, 4, 7).reshape(n, down * tile[0], across * tile[1], -1)
    return torch.from_numpy(y[:, : shape[0], : shape[1]].copy())


def winograd_dw(x, a):
    d, dy, pad, tile, stride, apart = x[0].numpy(), x[1].numpy(), *(a[k] for k in "pad tile stride dilation".split())
    forms = [winograd_form(tile[i], a["kernel"][i], stride[i]) for i in range(2)]
    shape, side, step = dy.shape[1:3], [len(f[0]) for f in forms], [t * s for t, s in zip(tile, stride)]
    tiles = winograd_tiles(d, [pad[0], pad[2]], shape, tile, side, step, apart)
    v = np.einsum("iu,sabuvc,jv->sabijc", forms[0][0], tiles, forms[1][0])
    tiles = winograd_tiles(dy, [0, 0], shape, tile, tile, tile, apart)
    e = np.einsum("ui,sabuvo,vj->sabijo", forms[0][2], tiles, forms[1][2])
    size = -(-len(v) // a.get("parts", 1))
    parts = [np.einsum("sabijc,sabijo->ijco", v[s : s + size], e[s : s + size]) for s in range(0, len(v), size)]
    return torch.from_numpy(np.concatenate(parts))


def winograd_dw_weight(x, a):
    du = x[0].numpy()
    g = [winograd_form(a["tile"][i], a["kernel"][i], a["stride"][i])[1] for i in range(2)]
    du = du.reshape(-1, len(g[0]), *du.shape[1:]).sum(0)
    return torch.from_numpy(np.einsum("iu,ijco,jv->uvco", g[0], du, g[1]))


def maxpool(x, a):
    """Values by max_pool, codes by NumPy's argmax over each window: both take the first of equals."""
    p = padded(x[0], a, -math.inf)
    f = [F.max_pool1d, F.max_pool2d][x[0].dim() - 3]
    y = f(p, a["kernel"], a["stride"])
    codes, q = np.zeros(y.shape), p.detach().numpy()
    for at in np.ndindex(*y.shape):
        window = tuple(slice(i * s, i * s + k) for i, s, k in zip(at[2:], a["stride"], a["kernel"]))
        codes[at] = np.argmax(q[at[:2]][window])
    return y, torch.from_numpy(codes)


def maxpool_dx(x, a):
    dy, code = x[0].numpy(), x[1].numpy()
    out = np.zeros(list(dy.shape[:2]) + a["size"])
    for at in np.ndindex(*dy.shape):
        k = np.unravel_index(code[at], a["kernel"])
        out[at[:2] + tuple(i * s - a["pad"][2 * n] + k[n] for n, (i, s) in enumerate(zip(at[2:], a["stride"])))] += dy[at]
    return torch.from_numpy(out)


def avgpool(x, a):
    return F.avg_pool2d(x, a["kernel"], a["stride"], padding=[a["pad"][0], a["pad"][2]],
                        count_include_pad=a.get("count_include_pad", True))


def avgpool_dx(x, a):
    z = torch.zeros(list(x[0].shape[:2]) + a["size"], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(avgpool(z, a), z, x[0])[0]


def gather(x, a):
    axis = a.get("axis", 0)
    return torch.from_numpy(np.take(x[0].numpy(), np.clip(x[1].numpy(), 0, x[0].shape[axis] - 1), axis=axis))


def scatter_add(x, a):
    axis = a.get("axis", 0)
    shape = list(x[0].shape)
    shape[axis] = a["size"]
    return torch.zeros(shape, dtype=torch.float64).index_add(axis, x[1], x[0])


def put_along(x, a):
    shape = list(x[0].shape)
    shape[a["axis"]] = a["size"]
    return torch.zeros(shape, dtype=torch.float64).scatter_add(a["axis"], x[1], x[0])


def places(rows, columns, shape):
    return tuple(torch.clamp(i, 0, s - 1) for i, s in zip((rows, columns), shape))


def attention(x, a):
    """Vaswani et al. 2017 in the plainest form: all scores at once."""
    q, k, v, mask = (*x, None)[:4]
    s = a.get("scale", 1) * (q @ k.transpose(-1, -2))
    rows, keys = s.shape[-2:]
    if a.get("causal", False):
        s = s.masked_fill(torch.ones(rows, keys, dtype=torch.bool).triu(keys - rows + 1), -math.inf)
    if mask is not None and mask.dtype == torch.float64:
        s = s + mask
    elif mask is not None:
        s = torch.where(mask != 0, s, torch.tensor(a.get("masked", 0), dtype=torch.float64))
    p = torch.softmax(s, -1)
    if a.get("drop", 0) > 0:
        drawn = uniform([], {"shape": p.shape, "low": 0, "high": 1, "stream": a["stream"]})
        p = torch.where(drawn >= a["drop"], p * a["kept"], torch.zeros_like(p))
    return p @ v


def attention_dx(x, a):
    q, k, v = (t.clone().requires_grad_() for t in x[:3])
    attention([q, k, v, *x[4:]], a).backward(x[3])
    return q.grad, k.grad, v.grad


def sparse_matmul(x, a):
    """The dense product."""
    w = torch.zeros((a["out"], x[0].shape[0]), dtype=torch.float64)
    return w.index_put(places(x[2], x[3], w.shape), x[1], accumulate=True) @ x[0]


def dots(x, a):
    y = x[0] @ x[1].T
    return y[places(x[2], x[3], y.shape)]


def one_hot(x, a):
    return (x[0][..., None] == torch.arange(a["classes"])).to(torch.float64)


def learning_rate(x, a):
    t, rate, low = x[0].item(), a["rate"], a.get("low", 0)
    steps, warmup = a.get("steps", 1), a.get("warmup", 0)
    if a["rule"] == "constant":
        return torch.tensor(rate, dtype=torch.float64)
    if a["rule"] == "step":
        return torch.tensor(rate * a["gamma"] ** (t // a["every"]), dtype=torch.float64)
    if t < warmup:
        return torch.tensor(rate * (t + 1) / warmup, dtype=torch.float64)
    part = min((t - warmup) / (steps - warmup), 1)
    share = (1 + math.cos(math.pi * part)) / 2 if a["rule"] == "cosine" else 1 - part
    return torch.tensor(low + (rate - low) * share, dtype=torch.float64)


def scan(x, a):
    h, ys = x[1], []
    for t in range(x[0].shape[1]):
        h = torch.tanh(x[0][:, t] @ x[2].T + h @ x[3].T)
        ys.append(h)
    return torch.stack(ys, 1), h


def scan_reverse(x, a):
    h, ys = x[2], [None] * x[0].shape[0]
    for t in reversed(range(x[0].shape[0])):
        h = x[0][t] * h + x[1][t]
        ys[t] = h * h
    return torch.stack(ys), h


def scan_of_scalars(x, a):
    h = x[1]
    for t in range(x[0].shape[1]):
        h = torch.tanh(x[0][:, t].sum() + h * h)
    return h


def scan_of_many_axes(x, a):
    h = x[1]
    for t in range(x[0].shape[5]):
        h = torch.sin(h * x[0][..., t].reshape(1, 1, 2, 1, 1, 1, 1, 1))
    return h


def fused(x, a):
    y = torch.tanh(x[0] * x[1])
    return y, y.sum(1)


def logic(f):
    return lambda x, a: f(*x).to(torch.int64)


OPS = {
    "neg": i32(lambda p: -p), "abs": i32(abs), "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal, "sin": torch.sin, "cos": torch.cos, "tanh": torch.tanh,
    "sigmoid": torch.sigmoid, "erf": torch.erf, "sign": torch.sign, "floor": torch.floor, "ceil": torch.ceil,
    "round": torch.round, "not": lambda x, a: 1 - x[0], "cast": cast, "relayout": lambda x, a: x[0],
    "stop_gradient": lambda x, a: x[0],
    "add": i32(lambda p, q: p + q), "sub": i32(lambda p, q: p - q), "mul": i32(lambda p, q: p * q), "div": torch.div,
    "pow": torch.pow, "max": lambda x, a: torch.maximum(*x), "min": lambda x, a: torch.minimum(*x),
    "eq": logic(torch.eq), "ne": logic(torch.ne), "lt": logic(torch.lt), "le": logic(torch.le), "gt": logic(torch.gt),
    "ge": logic(torch.ge), "and": lambda x, a: x[0] & x[1], "or": lambda x, a: x[0] | x[1],
    "select": lambda x, a: torch.where(x[0] != 0, x[1], x[2]),
    "sum": lambda x, a: wrap(reduction(torch.sum)(x, a)) if x[0].dtype == torch.int64 else reduction(torch.sum)(x, a),
    "reduce_max": reduction(torch.amax), "reduce_min": reduction(torch.amin), "prod": prod, "argmax": argmax,
    "moments": moments, "cumsum": cumsum,
    "reshape": lambda x, a: x[0].reshape(a["shape"]), "transpose": lambda x, a: x[0].permute(a["perm"]),
    "broadcast": lambda x, a: x[0].expand(a["shape"]), "slice": slice_,
    "reverse": lambda x, a: torch.flip(x[0], [a["axis"]]), "pad": pad, "dilate": dilate,
    "concat": lambda x, a: torch.cat(x, a["axis"]),
    "constant": lambda x, a: torch.tensor(a["value"], dtype=torch.float64), "iota": iota, "uniform": uniform,
    "normal": normal,
    "matmul": matmul, "conv": lambda x, a: convolve(x[0], x[1], a), "conv_dx": conv_dx, "conv_dw": conv_dw,
    "winograd_weight": winograd_weight, "winograd": winograd, "winograd_dw": winograd_dw,
    "winograd_dw_weight": winograd_dw_weight,
    "maxpool": maxpool, "maxpool_dx": maxpool_dx, "avgpool": lambda x, a: avgpool(x[0], a), "avgpool_dx": avgpool_dx,
    "gather": gather, "scatter_add": scatter_add, "put_along": put_along, "one_hot": one_hot,
    "take_along": lambda x, a: torch.take_along_dim(x[0], x[1], a["axis"]),
    "attention": attention, "attention_dx": attention_dx,
    "sparse_matmul": sparse_matmul, "dots": dots,
    "learning_rate": learning_rate,
    "bias_correction": lambda x, a: torch.tensor(1 - a["beta"] ** (x[0].item() + 1), dtype=torch.float64),
    "first_step": lambda x, a: torch.tensor(float(a["first"] if x[0].item() == 0 else a["later"])),
}
TEXTS = {"round_halves": lambda x, a: torch.round(x[0] * 0.5), "scan": scan, "scan_reverse": scan_reverse,
         "scan_of_scalars": scan_of_scalars, "scan_of_many_axes": scan_of_many_axes,
         "custom": lambda x, a: torch.exp(x[0]), "fused": fused}


def compute(label, op, x, attrs, is_text):
    f = TEXTS[label] if is_text else OPS[op]
    y = f(*x) if not is_text and hasattr(torch, op) and f is getattr(torch, op) else f(x, attrs)
    return list(y) if isinstance(y, tuple) else [y]


def rows(text):
    """(macro, label, op, strings, gradient) of each row; adjacent string literals are one."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    literal = r'"(?:[^"\\]|\\.)*"'
    strings = rf"{literal}(?:\s*{literal})*"
    row = rf"(CASE|TEXT)\((\w+),\s*(\w+),\s*({strings}),\s*({strings}),\s*({strings}),\s*(\w+)\)"
    for m in re.finditer(row, text):
        parts = ["".join(s[1:-1] for s in re.findall(literal, m.group(i))) for i in (4, 5, 6)]
        yield m.group(1), m.group(2), m.group(3), parts, m.group(7)


def figure(label, name, t):
    numbers = ", ".join(f"{v:.14g}" for v in t.detach().to(torch.float64).flatten().tolist())
    return f'FIGURE({label}, "{name}", {numbers})\n'


def main():
    out = ["/* tests/ops/figures.def: made by tests/reference/ops.py from cases.def; change those. */\n"]
    for macro, label, op, (operands, results, attrs), gradient in rows(open("tests/ops/cases.def").read()):
        x = [tensor(t, f"{label}/x{i}") for i, t in enumerate(operands.split(";")) if t.strip()]
        if gradient == "CORNER":
            for t in x:
                t.requires_grad_(t.dtype == torch.float64)
        y = compute(label, op, x, attributes(attrs), macro == "TEXT")
        out += [figure(label, f"y{i}", t) for i, t in enumerate(y)]
        if gradient != "CORNER":
            continue
        kinds = [r.strip() for r in results.split(";")]
        total = sum((y[i] * tensor(f"{k} -1 1", f"{label}/w{i}")).sum() for i, k in enumerate(kinds) if k[0] == "f")
        total.backward()
        out += [figure(label, f"dx{i}", t.grad) for i, t in enumerate(x) if t.requires_grad]
    open("tests/ops/figures.def", "w").write("".join(out))


main()
