#!/usr/bin/python3
"""The losses of LeNet's first training steps in PyTorch, for tests/models/lenet_steps.sh.

Writes tests/reference/lenet_f32.txt (50 steps) and lenet_f64.txt (20 steps): one loss a line. Weights, images and labels
come from one integer hash, so that any program can make the same: hash(i, k) = (2654435761 (i + 1) + 40503 k) mod 2^32,
scrambled; see mix below. Made with Debian 12's python3-torch 1.13.1.
"""
import os
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def mix(count, key):
    x = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(40503) * np.uint64(key)) & np.uint64(0xFFFFFFFF)
    for shift in (16, 15):
        x = ((x ^ (x >> np.uint64(shift))) * np.uint64(0x45D9F3B)) & np.uint64(0xFFFFFFFF)
    return (x ^ (x >> np.uint64(16))).astype(np.float64) / 4294967296.0


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16)
        self.conv2, self.bn2 = nn.Conv2d(16, 32, 5, padding=2), nn.BatchNorm2d(32)
        self.fc1, self.fc2 = nn.Linear(32 * 7 * 7, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.bn2(self.conv2(x))), 2)
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def losses(dtype, steps, batch=64):
    torch.set_num_threads(1)
    net = LeNet().to(dtype)
    with torch.no_grad():       # the order of netc's parameters: weight, bias of each layer from the input on
        for key, p in enumerate(net.parameters()):
            fan = p[0].numel() if p.dim() > 1 else 16
            p.copy_(torch.from_numpy((mix(p.numel(), key + 1) * 2 - 1) / np.sqrt(fan)).to(dtype).reshape(p.shape))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    out = []
    for step in range(steps):
        image = np.floor(mix(batch * 784, 1000 + 2 * step) * 256).reshape(batch, 1, 28, 28)
        label = np.floor(mix(batch, 1001 + 2 * step) * 10).astype(np.int64)
        image[:, 0, 4:12, 4:12] = (label * 25)[:, None, None]       # something to learn
        loss = F.cross_entropy(net(torch.from_numpy(image).to(dtype) / 255), torch.from_numpy(label))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        out.append(loss.item())
    return out


folder = os.path.dirname(os.path.abspath(__file__))
for name, dtype, steps in (("f32", torch.float32, 50), ("f64", torch.float64, 20)):
    with open(os.path.join(folder, f"lenet_{name}.txt"), "w") as f:
        f.writelines(f"{x:.17g}\n" for x in losses(dtype, steps))
