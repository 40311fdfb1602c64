"""The figures of tests/models/optimizers.net: runs the optimizer of PyTorch named behind each one.
Usage: optimizers.py < tests/models/optimizers.net > tests/reference/optimizers.txt"""
import math
import re
import sys

import torch
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop

from drive import figure, hashed

COUNT, STEPS, SAMPLES = 26, 9, 4


class Dampened(torch.optim.Optimizer):
    """u = m u + (1 - m) (g + decay p), p -= lr u; u starts at zero and the first step is dampened like the others."""

    def __init__(self, params, lr, momentum, decay):
        super().__init__(params, dict(lr=lr, momentum=momentum, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                u = self.state[p].setdefault("u", torch.zeros_like(p))
                u.mul_(group["momentum"]).add_((1 - group["momentum"]) * (p.grad + group["decay"] * p))
                p.sub_(group["lr"] * u)


def cosine(t, steps, warmup, low):
    if t < warmup:
        return (t + 1) / warmup
    if t >= steps:
        return low
    return low + (1 - low) * (1 + math.cos(math.pi * (t - warmup) / (steps - warmup))) / 2


def straight(t, steps, warmup, low):
    if t < warmup:
        return (t + 1) / warmup
    return low if t >= steps else 1 + (low - 1) * (t - warmup) / (steps - warmup)


params = [torch.full((3,), 0.5, requires_grad=True) for _ in range(COUNT)]
rules = []
for which, expression in re.findall(r"optimizer [^;]*?((?:for [^;]*)?);\n +# = (.*)", sys.stdin.read()):
    p = [params[int(i)] for i in re.findall(r'"p\.(\d+)\.', which)] or [params[-1]]
    rule, clip, schedule = eval("(lambda optimizer, clip=None, schedule=lambda t: 1: (optimizer, clip, schedule))(%s)" %
                                expression)
    rules.append((p, rule, clip, rule.param_groups[0]["lr"], schedule))
assert len({id(q) for p, *_ in rules for q in p}) == COUNT
for t in range(STEPS):
    x = hashed("x", (SAMPLES, 3), t)
    loss = sum((x * w).sum(1).mean() + 0.5 * ((w - 0.1) ** 2).sum() + torch.sin(3 * w).sum() for w in params)
    figure("loss", loss)
    for w in params:
        w.grad = None
    loss.backward()
    for p, rule, clip, lr, schedule in rules:
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(p, clip)
        rule.param_groups[0]["lr"] = lr * schedule(t)
        rule.step()
    if (t + 1) % 3 == 0:
        for i, w in enumerate(params):
            figure("p.%d.w" % i, w)
