"""What tests/models/drive.c makes of names, for the scripts that reckon figures with PyTorch; and how figures are written."""
import torch

torch.set_default_dtype(torch.float64)


def key_of(name):
    h = 2166136261
    for byte in name.encode():
        h = (h ^ byte) * 16777619 & 0xFFFFFFFF
    return h


def mix(i, key):
    x = (i + 1) * 2654435761 + 40503 * key & 0xFFFFFFFF
    x = (x ^ x >> 16) * 0x45D9F3B & 0xFFFFFFFF
    x = (x ^ x >> 15) * 0x45D9F3B & 0xFFFFFFFF
    return (x ^ x >> 16) / 4294967296.0


def hashed(name, shape, call=0):
    """An input, target or filled parameter; call counts from 0."""
    count = 1
    for s in shape:
        count *= s
    key = (key_of(name) + 977 * call) & 0xFFFFFFFF
    return torch.tensor([2 * mix(i, key) - 1 for i in range(count)]).reshape(shape)


def hashed_ints(name, shape, call=0):
    return torch.floor((hashed(name, shape, call) + 1) / 2 * 3).long()


def hashed_state(name, shape):
    return (hashed(name, shape) + 1) / 2 + 0.5


def figure(name, value):
    print(name, *["%.17g" % v for v in value.detach().double().reshape(-1).tolist()])
