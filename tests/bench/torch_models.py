"""tests/bench/torch_models.py: the workloads in PyTorch."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Basic(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al. 2015)."""

    def __init__(self, inputs, channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != channels:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def resnet(depth, block=Basic):
    layers, inputs = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for channels in (16, 32, 64):
        for i in range(depth):
            layers.append(block(inputs, channels, 2 if i == 0 and channels > 16 else 1))
            inputs = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


class CharLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(65, 64)
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.out = nn.Linear(128, 65)

    def forward(self, token):
        return self.out(self.lstm(self.embedding(token))[0])


def causal_attention(q, k, v, future):
    s = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(q.shape[-1]))
    return s.masked_fill(future, float("-inf")).softmax(-1) @ v


def future_of(t):
    return torch.ones(t, t).triu(1).bool()


class Transformer(nn.Module):
    def __init__(self, d, heads, approximate):
        super().__init__()
        self.heads, self.approximate = heads, approximate
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.projection = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.fc1, self.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x, future):
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.projection(causal_attention(q, k, v, future).transpose(1, 2).reshape(n, t, d))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate=self.approximate))


class GPT(nn.Module):
    def __init__(self, approximate, d=128, context=128, tied=False):
        super().__init__()
        self.embedding, self.position = nn.Embedding(256, d), nn.Embedding(context, d)
        self.blocks = nn.ModuleList(Transformer(d, 4, approximate) for _ in range(4))
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 256, bias=False)
        if tied:
            self.head.weight = self.embedding.weight
        self.register_buffer("future", future_of(context))
        self.register_buffer("places", torch.arange(context))

    def forward(self, token):
        x = self.embedding(token) + self.position(self.places)
        for block in self.blocks:
            x = block(x, self.future)
        return self.head(self.norm(x))


class AddLayerNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(768)

    def forward(self, a, b):
        return self.norm(a + b)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("future", future_of(256))

    def forward(self, q, k, v):
        return causal_attention(q, k, v, self.future)


def sgd(weight_decay=0.0, lr=0.01):
    return lambda p: torch.optim.SGD(p, lr=lr, momentum=0.9, weight_decay=weight_decay)


def adam(p):
    return torch.optim.Adam(p, lr=1e-3)


def adamw(p):
    return torch.optim.AdamW(p, lr=1e-3, weight_decay=0.01)


def reals(*shape):
    return lambda n: [torch.randn(n, *shape)]


def integers(most, *shape):
    return lambda n: [torch.randint(0, most, (n, *shape))]


def conv(*a, **k):
    return lambda: nn.Conv2d(*a, bias=False, **k)


def lenet():
    return nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(16, 32, 5, padding=2), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(1568, 128), nn.ReLU(), nn.Linear(128, 10))


def mlp():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def mlp_bn():
    return nn.Sequential(nn.Linear(784, 512), nn.BatchNorm1d(512), nn.ReLU(),
                         nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 10))


# name: the module, its inputs for n samples, the classes of its logits, its optimizer
MODELS = {
    "w1_mlp": (mlp, reals(784), 10, sgd()),
    "w2_mlp_bn": (mlp_bn, reals(784), 10, adam),
    "w3_lenet_bn": (lenet, reals(1, 28, 28), 10, adam),
    "w4_resnet8": (lambda: resnet(1), reals(3, 32, 32), 10, sgd(1e-4, 0.1)),
    "w4_resnet20": (lambda: resnet(3), reals(3, 32, 32), 10, sgd(1e-4, 0.1)),
    "w5_char_lstm": (CharLSTM, integers(65, 64), 65, adam),
    "w6_gpt_mini": (lambda: GPT("none"), integers(256, 128), 256, adamw),
    "w6_gpt_mini_tanh": (lambda: GPT("tanh"), integers(256, 128), 256, adamw),
}

# name: the module, its inputs for n samples
OPERATIONS = {
    "w7_layernorm": (lambda: nn.LayerNorm(768), reals(768)),
    "w7_add_layernorm": (AddLayerNorm, lambda n: [torch.randn(n, 768), torch.randn(n, 768)]),
    "w7_linear_layernorm": (lambda: nn.Sequential(nn.Linear(768, 768), nn.LayerNorm(768)), reals(768)),
    "w8_bn2d": (lambda: nn.BatchNorm2d(64), reals(64, 28, 28)),
    "w8_conv_bn_relu": (lambda: nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
                        reals(64, 28, 28)),
    "w9_conv1x1": (conv(64, 256, 1), reals(64, 56, 56)),
    "w9_conv3x3": (conv(64, 64, 3, padding=1), reals(64, 56, 56)),
    "w9_conv3x3s2": (conv(128, 256, 3, stride=2, padding=1), reals(128, 28, 28)),
    "w9_conv7x7s2": (conv(3, 64, 7, stride=2, padding=3), reals(3, 224, 224)),
    "w9_dwconv3x3": (conv(128, 128, 3, padding=1, groups=128), reals(128, 28, 28)),
    "w9_convT4x4s2": (lambda: nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False), reals(64, 14, 14)),
    "w9_conv1d_d2": (lambda: nn.Conv1d(64, 64, 5, dilation=2, padding=4, bias=False), reals(64, 512)),
    "w10_attention": (Attention, lambda n: [torch.randn(n, 8, 256, 64) for _ in range(3)]),
    "w10_softmax": (lambda: nn.Softmax(-1), reals(1024)),
    "w10_embedding": (lambda: nn.Embedding(50000, 256), integers(50000)),
    "w10_maxpool2": (lambda: nn.MaxPool2d(2), reals(64, 56, 56)),
    "w10_maxpool3s2": (lambda: nn.MaxPool2d(3, 2, 1), reals(64, 112, 112)),
}
