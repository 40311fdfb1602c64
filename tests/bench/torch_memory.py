#!/usr/bin/python3
"""tests/bench/torch_memory.py: what a PyTorch process grows by in three training steps of an example, beside what it held
before there was a model, in bytes; and how much of that is the code of libraries, read when it first runs (RssFile)."""
import sys
import warnings

warnings.filterwarnings("ignore")
import torch

import torch_examples


def status(*fields):
    with open("/proc/self/status") as f:
        found = dict(line.split(":", 1) for line in f)
    return [int(found[x].split()[0]) * 1024 for x in fields]


def steps(name):
    make, n, inputs, targets, loss, optimizer, clip = torch_examples.EXAMPLES[name]
    model, x, y = make(), inputs(n), targets(n) if targets else None
    update = optimizer(model.parameters())
    for _ in range(3):
        update.zero_grad(set_to_none=True)
        out = model(x)
        (loss(out, y) if loss else out).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        update.step()


def main():
    torch.set_num_threads(1)
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")  # the peak is counted from here on
    before, files = status("VmRSS", "RssFile")
    steps(sys.argv[1])
    peak, files_after = status("VmHWM", "RssFile")
    print(peak - before, files_after - files)


main()
