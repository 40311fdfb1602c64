"""The figures of tests/models/layers.net: runs the module of PyTorch named behind each layer.
Usage: layers.py < tests/models/layers.net > tests/reference/layers.txt"""
import re
import sys

import torch
from torch.nn import *

from drive import figure, hashed, hashed_state


class Last(Module):
    """A module whose channels come last."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        y = self.inner(x.movedim(-1, 1))
        return y.movedim(1, -1)


def fill(layer, module):
    for name, p in list(module.named_parameters()) + list(module.named_buffers()):
        path = layer + "." + name.split(".")[-1]
        if "running" in name:
            p.copy_(hashed_state(path, p.shape))
        elif p.is_floating_point():
            p.data.copy_(hashed(path, p.shape))


def samples(count, sizes, call):
    x = hashed("x", (count, 256), call)
    n = torch.Size(sizes).numel()
    return x[:, :n].reshape([count] + sizes)


layers = []
for name, sizes, expression in re.findall(r"(l\d+) = .*; +# = (\[.*?\]) (.*)", sys.stdin.read()):
    layers.append((name, eval(sizes), eval(expression)))
    fill(name, layers[-1][2])
loss = torch.zeros(())
gradients = []
for i, (name, sizes, module) in enumerate(layers):
    x = samples(3, sizes, 0).requires_grad_()
    flat = module(x).flatten(1)
    part = (flat * torch.sin(torch.arange(flat.shape[1]) + 1.0)).sum()
    part.backward()
    loss = loss + part
    gradients.append(("at_%d.seen" % (i + 1), x.grad.sum(0)))
    gradients += [(name + "." + p.split(".")[-1], v.grad) for p, v in module.named_parameters()]
figure("loss", loss)
for name, value in gradients:
    figure(name, value)
for call, count in ((1, 3), (2, 2)):
    for i, (name, sizes, module) in enumerate(layers):
        figure("y%d" % (i + 1), module.eval()(samples(count, sizes, call)))
