#!/usr/bin/python3
"""tests/bench/torch_peer.py: PyTorch as a peer. Reads requests from standard input, one JSON object a line, and answers
each with one:

    {"do": "time", "peer": "eager", "name": "w1_mlp", "mode": "train", "n": 64, "seconds": 0.3}
    {"do": "export", "name": "w1_mlp", "mode": "infer", "n": 64, "file": "w1.onnx"}
    {"do": "error", "name": "w1_mlp", "mode": "train", "n": 64}

A peer is eager, channels_last or jit (traced, frozen, optimised for inference). What it cannot do gets null. The error is
that of float32's outputs, or gradients, against float64's: |difference| / |float64|, Euclidean.
"""
import gc
import json
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import torch
import torch.nn.functional as F

import torch_models as M

LEAST_CALLS, WARM_UP = 20, 3
INFERENCE = ("infer", "fwd")
made = {}  # the calls of the last workload


class Case:
    """A workload's module and inputs, the same at every request."""

    def __init__(self, name, mode, n, last=False, dtype=torch.float32):
        torch.manual_seed(0)
        self.name, self.mode, self.last = name, mode, last
        make, inputs = (M.MODELS.get(name) or M.OPERATIONS[name])[:2]
        module, xs = make(), inputs(n)
        if dtype != torch.float32:
            module, xs = module.to(dtype), [x.to(dtype) if x.is_floating_point() else x for x in xs]
        self.module = module.train(mode != "infer")
        self.xs = xs
        if last:
            self.module = self.module.to(memory_format=torch.channels_last)
            self.xs = [x.to(memory_format=torch.channels_last) for x in xs]

    def logits_loss(self):
        classes = M.MODELS[self.name][2]
        y = self.module(*self.xs).reshape(-1, classes)
        if not hasattr(self, "label"):
            self.label = torch.randint(0, classes, (y.shape[0],))
        return F.cross_entropy(y, self.label)

    def inference(self):
        def call():
            with torch.no_grad():
                return self.module(*self.xs)
        return call

    def training(self):
        optimizer = M.MODELS[self.name][3](self.module.parameters())

        def call():
            optimizer.zero_grad(set_to_none=True)
            self.logits_loss().backward()
            optimizer.step()
        return call

    def backward(self):
        xs = [x.requires_grad_() if x.is_floating_point() else x for x in self.xs]
        wanted = [x for x in xs if x.requires_grad] + list(self.module.parameters())
        y = self.module(*xs)
        dy = torch.randn(y.shape).to(y.dtype)
        if self.last:
            dy = dy.to(memory_format=torch.channels_last)
        if self.mode == "bwd":
            return lambda: torch.autograd.grad(y, wanted, dy, retain_graph=True)
        return lambda: torch.autograd.grad(self.module(*xs), wanted, dy)

    def call(self):
        if self.mode in INFERENCE:
            return self.inference()
        return self.training() if self.mode == "train" else self.backward()


def traced(case):
    with torch.no_grad():
        module = torch.jit.freeze(torch.jit.trace(case.module.eval(), tuple(case.xs)))
        module = torch.jit.optimize_for_inference(module)
        for _ in range(3):
            module(*case.xs)
    case.module = module
    return case.inference()


def call_of(peer, name, mode, n):
    images = M.MODELS.get(name) or M.OPERATIONS[name]
    images = images[1](1)[0].dim() == 4 and name != "w10_attention"
    if peer == "channels_last" and not images or peer == "jit" and mode != "infer":
        return None
    case = Case(name, mode, n, peer == "channels_last")
    return traced(case) if peer == "jit" else case.call()


def timed(call, seconds):
    clock, began = time.perf_counter_ns, time.perf_counter()
    calls = 0
    while calls < WARM_UP or time.perf_counter() - began < seconds / 5:
        call()
        calls += 1
    gc.collect()
    gc.disable()
    us, began = [], time.perf_counter()
    while len(us) < LEAST_CALLS or time.perf_counter() - began < seconds:
        start = clock()
        call()
        us.append((clock() - start) / 1e3)
    gc.enable()
    us.sort()
    return {"median_us": us[len(us) // 2], "min_us": us[0], "p90_us": us[len(us) * 9 // 10], "calls": len(us)}


def time_it(r):
    key = (r["peer"], r["name"], r["mode"], r["n"])
    if key not in made:
        if any(k[1:] != key[1:] for k in made):
            made.clear()
            gc.collect()
        made[key] = call_of(*key)
    return timed(made[key], r["seconds"]) if made[key] else None


def export(r):
    case = Case(r["name"], r["mode"], r["n"])
    xs = case.xs
    with torch.no_grad():
        y = case.module.eval()(*xs)
        torch.onnx.export(case.module, tuple(xs), r["file"], opset_version=13, output_names=["y"],
                          input_names=["x%d" % i for i in range(len(xs))])
    def described(x):
        return ("f:" if x.is_floating_point() else "i:") + ",".join(map(str, x.shape))
    return {"inputs": [described(x) for x in xs], "output": described(y)}


def error(r):
    def values(dtype):
        case = Case(r["name"], r["mode"], r["n"], dtype=dtype)
        if r["mode"] == "train":
            case.logits_loss().backward()
            got = [p.grad for p in case.module.parameters()]
        else:
            got = case.call()()
        return torch.cat([g.detach().flatten().double() for g in (got if isinstance(got, (list, tuple)) else [got])])
    exact = values(torch.float64)
    return {"error": float((values(torch.float32) - exact).norm() / exact.norm())}


def main():
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    for line in sys.stdin:
        r = json.loads(line)
        try:
            answer = {"time": time_it, "export": export, "error": error}[r["do"]](r)
        except Exception as e:  # a peer that fails is a peer less
            print("%s: %s" % (r, str(e).splitlines()[0] if str(e) else repr(e)), file=sys.stderr)
            answer = None
        print(json.dumps(answer), flush=True)


main()
