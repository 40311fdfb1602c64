#!/usr/bin/python3
"""Writes tests/reference/state_dict.safetensors for tests/models/state_dict.sh: the modules of tests/models/state_dict.net in PyTorch.

The file is a state dict, as PyTorch names it (num_batches_tracked, which netc does not have, among it), and beside it
    in.NAME      the inputs
    out.NAME     the outputs of model.eval()
    loss         of model.train(), and its gradients
    grad.NAME    for each parameter
    after.NAME   each running mean and variance after that pass
all in double but for indices. Made with Debian 12's python3-torch 1.13.1; the format is written by hand, below.
"""
import json
import os
import struct
import torch
import torch.nn as nn

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.manual_seed(7)
N = 3


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.full, self.bare = nn.Linear(5, 3), nn.Linear(11, 7, bias=False)
        self.conv_line = nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2)
        self.conv_image = nn.Conv2d(4, 5, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2))
        self.conv_cube = nn.Conv3d(2, 3, 2, padding=1, bias=False)
        self.up_line = nn.ConvTranspose1d(4, 3, 4, stride=3, padding=1, output_padding=1)
        self.up_image = nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=(1, 2))
        self.norm_batch, self.norm_line = nn.BatchNorm2d(4), nn.BatchNorm1d(4, momentum=0.3, eps=1e-3)
        self.norm_layer, self.norm_group = nn.LayerNorm((7, 5)), nn.GroupNorm(2, 4)
        self.norm_instance = nn.InstanceNorm2d(4, affine=True)
        self.table, self.padded = nn.Embedding(9, 4), nn.Embedding(9, 3, padding_idx=0)
        self.shift = nn.Parameter(torch.empty(4, 3))
        for name, kind in (("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)):
            setattr(self, name + "_one", kind(5, 3, batch_first=True))
            setattr(self, name + "_bare", kind(5, 4, num_layers=2, bias=False, batch_first=True))
            setattr(self, name + "_deep", kind(5, 3, num_layers=2, batch_first=True, bidirectional=True))
        self.lstm_half = nn.LSTM(5, 3, num_layers=2, batch_first=True)
        for name, heads, bias in (("self", 3, True), ("back", 2, True), ("at", 2, True), ("bare", 6, False)):
            setattr(self, "look_" + name, nn.MultiheadAttention(6, heads, bias=bias, batch_first=True))

    def recurrences(self, out, steps, start, cell):
        h0, c0 = (start + self.shift).transpose(0, 1), (cell - self.shift).transpose(0, 1)
        for name in ("one", "bare", "deep"):
            deep = name == "deep"
            for kind in ("rnn", "gru", "lstm"):
                first = None if not deep else (h0, c0) if kind == "lstm" else h0
                y, last = getattr(self, f"{kind}_{name}")(steps, first)
                out[f"y_{kind}_{name}"] = y
                for letter, state in zip("hc", last if kind == "lstm" else (last,)):
                    out[f"{letter}_{kind}_{name}"] = state.transpose(0, 1)
        out["y_lstm_half"], last = self.lstm_half(steps, (h0[:2], torch.zeros_like(h0[:2])))
        out["h_lstm_half"], out["c_lstm_half"] = (s.transpose(0, 1) for s in last)

    def forward(self, image, line, cube, words, steps, start, cell, query, memory):
        out = {}
        takes = {"full": steps, "bare": line, "conv_line": line, "conv_image": image, "conv_cube": cube, "up_line": line,
                 "up_image": image, "norm_batch": image, "norm_line": line, "norm_layer": image, "norm_group": image,
                 "norm_instance": image, "table": words, "padded": words}
        for name, x in takes.items():
            out["y_" + name] = getattr(self, name)(x)
        self.recurrences(out, steps, start, cell)
        later = torch.ones(5, 5, dtype=torch.bool).triu(1)
        out["y_look_self"] = self.look_self(query, query, query)[0]
        out["y_look_back"] = self.look_back(query, query, query, attn_mask=later)[0]
        out["y_look_at"] = self.look_at(query, memory, memory * memory)[0]
        out["y_look_bare"] = self.look_bare(memory, memory, memory)[0]
        return out


def score(y):
    return torch.sin(2 * y + 0.7 * torch.arange(y.shape[-1])).mean()


def save(path, tensors):
    """safetensors: the header's length, the header in JSON, the data in the header's order."""
    kinds = {torch.float64: "F64", torch.int64: "I64", torch.int32: "I32"}
    header, data, at = {}, b"", 0
    for name, t in tensors.items():
        raw = t.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": kinds[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + len(raw)]}
        data, at = data + raw, at + len(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


net = Layers()
with torch.no_grad():       # nothing stays at 0 or 1, so that nothing is right by chance
    for name, t in net.state_dict().items():
        if t.dtype == torch.float64:
            t.copy_(0.5 + torch.rand_like(t) if name.endswith("running_var") else 0.4 * torch.randn_like(t))
    net.padded.weight[0] = 0
inputs = {
    "image": torch.randn(N, 4, 7, 5), "line": torch.randn(N, 4, 11), "cube": torch.randn(N, 2, 5, 4, 6),
    "words": torch.randint(0, 9, (N, 6)), "steps": torch.randn(N, 7, 5), "start": torch.randn(N, 4, 3),
    "cell": torch.randn(N, 4, 3), "query": torch.randn(N, 5, 6), "memory": torch.randn(N, 4, 6),
}
inputs["words"][0, 2] = 0
tensors = {name: t.clone() for name, t in net.state_dict().items()}
tensors.update(("in." + name, t) for name, t in inputs.items())
tensors.update(("out." + name, t) for name, t in net.eval()(**inputs).items())
net.train()
loss = sum(score(y) for y in net(**inputs).values())
loss.backward()
tensors["loss"] = loss.reshape(1)
tensors.update(("grad." + name, p.grad) for name, p in net.named_parameters())
tensors.update(("after." + name, t) for name, t in net.state_dict().items() if name.split(".")[-1].startswith("running"))
save(os.path.join(os.path.dirname(os.path.abspath(__file__)), "state_dict.safetensors"), tensors)
