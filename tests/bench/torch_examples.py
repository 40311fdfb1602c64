"""tests/bench/torch_examples.py: the examples in PyTorch: as deep and as wide, with as many samples and the same optimizer."""

import torch
import torch.nn as nn
import torch.nn.functional as F

import torch_models as M


class Pixels(nn.Module):
    """Bytes as numbers up to 1."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def forward(self, x):
        return x.float() / self.most


class Lambda(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, *x):
        return self.f(*x)


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def bn_relu(c, norm=nn.BatchNorm2d):
    return [norm(c), nn.ReLU()]


def digits():
    return nn.Sequential(Pixels(16), nn.Conv2d(1, 16, 3, padding=1), *bn_relu(16), nn.Conv2d(16, 32, 3, padding=1),
                         *bn_relu(32), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, 10))


class Padded(M.Basic):
    """Its shortcut has no weights: every second pixel, and channels of zeros."""

    def __init__(self, inputs, channels, stride):
        super().__init__(inputs, channels, stride)
        new = channels - inputs
        if new:
            self.shortcut = Lambda(lambda x: F.pad(x[:, :, ::2, ::2], [0, 0, 0, 0, new // 2, new - new // 2]))


def resnet20():
    return nn.Sequential(Pixels(255), M.resnet(3, Padded))


class CharLM(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.out = nn.Embedding(256, 64), nn.LSTM(64, 128, batch_first=True), nn.Linear(128, 256)

    def forward(self, token):
        return self.out(self.lstm(self.embedding(token.int()))[0]).flatten(0, 1)


def gpt():
    return nn.Sequential(Lambda(lambda token: token.int()), M.GPT("none", 64, 64, tied=True), nn.Flatten(0, 1))


def mlp_layernorm():
    def block():
        return Residual(nn.LayerNorm(128), nn.Linear(128, 256), nn.GELU(), nn.Linear(256, 128))
    return nn.Sequential(Pixels(255), nn.Flatten(), nn.Linear(784, 128), block(), block(), block(), nn.LayerNorm(128),
                         nn.Linear(128, 10))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
                                     nn.Flatten(), nn.Linear(784, 32))
        self.decoder = nn.Sequential(nn.Linear(32, 784), nn.ReLU(), nn.Unflatten(1, (16, 7, 7)),
                                     nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, 2, 1))

    def forward(self, image):
        x = image.float() / 255
        return F.binary_cross_entropy_with_logits(self.decoder(self.encoder(x)), x)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 20))
        self.decoder = nn.Sequential(nn.Linear(10, 256), nn.ReLU(), nn.Linear(256, 784))

    def forward(self, image):
        x = (image.float() / 255).flatten(1)
        mean, log_var = self.encoder(x).split(10, 1)
        logits = self.decoder(mean + torch.exp(0.5 * log_var) * torch.randn_like(mean))
        apart = (0.5 * (mean.square() + log_var.exp() - 1 - log_var)).sum(1).mean()
        return 784 * F.binary_cross_entropy_with_logits(logits, x) + apart


def mobilenet():
    layers, c = [Pixels(255), nn.Conv2d(1, 16, 3, 2, 1, bias=False), *bn_relu(16)], 16
    for channels, stride in ((32, 1), (64, 2), (64, 1), (128, 2)):
        layers += [nn.Conv2d(c, c, 3, stride, 1, groups=c, bias=False), *bn_relu(c), nn.Conv2d(c, channels, 1, bias=False),
                   *bn_relu(channels)]
        c = channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


class Speech(nn.Module):
    def __init__(self):
        super().__init__()
        def layer(c, features, kernel, stride):
            return [nn.Conv1d(c, features, kernel, stride, kernel // 2, bias=False), *bn_relu(features, nn.BatchNorm1d)]
        self.layers = nn.Sequential(*layer(1, 32, 31, 4), *layer(32, 32, 9, 2), nn.MaxPool1d(2), *layer(32, 64, 9, 2),
                                    *layer(64, 64, 5, 2), nn.MaxPool1d(2), *layer(64, 96, 5, 1), *layer(96, 96, 3, 1),
                                    nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(96, 5))

    def forward(self, sound):
        return self.layers(sound / ((sound * sound).mean(2, keepdim=True).sqrt() + 1e-4))


class WaveNet(nn.Module):
    def __init__(self, d=48):
        super().__init__()
        self.embedding = nn.Embedding(256, d)
        self.dilations = [1, 2, 4, 8, 16, 32]
        self.gated = nn.ModuleList(nn.Conv1d(d, 2 * d, 2, dilation=k) for k in self.dilations)
        self.on = nn.ModuleList(nn.Conv1d(d, d, 1) for _ in self.dilations)
        self.skip = nn.ModuleList(nn.Conv1d(d, 2 * d, 1) for _ in self.dilations)
        self.out = nn.Sequential(nn.ReLU(), nn.Conv1d(2 * d, 2 * d, 1), nn.ReLU(), nn.Conv1d(2 * d, 256, 1))

    def forward(self, token):
        x, skip = self.embedding(token.int()).transpose(1, 2), 0
        for k, gated, on, more in zip(self.dilations, self.gated, self.on, self.skip):
            a, b = gated(F.pad(x, [k, 0])).chunk(2, 1)
            h = a.tanh() * b.sigmoid()
            x, skip = x + on(h), skip + more(h)
        return self.out(skip)


class Level(nn.Module):
    def __init__(self, inputs, channels, below):
        super().__init__()
        self.left, self.below = twice(inputs, channels), below
        self.up, self.both = nn.ConvTranspose2d(2 * channels, channels, 2, 2), twice(2 * channels, channels)

    def forward(self, x):
        left = self.left(x)
        return self.both(torch.cat([left, self.up(self.below(F.max_pool2d(left, 2)))], 1))


def twice(inputs, c):
    return nn.Sequential(nn.Conv2d(inputs, c, 3, padding=1, bias=False), *bn_relu(c),
                         nn.Conv2d(c, c, 3, padding=1, bias=False), *bn_relu(c))


def unet():
    inner = twice(32, 64)
    for inputs, channels in ((16, 32), (8, 16), (1, 8)):
        inner = Level(inputs, channels, inner)
    return nn.Sequential(Pixels(255), inner, nn.Conv2d(8, 1, 1))


class RBM(nn.Module):
    """The difference of free energies of the data and of what one step of Gibbs sampling makes of it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(64, 64) * 0.01)
        self.visible, self.hidden = nn.Parameter(torch.zeros(64)), nn.Parameter(torch.zeros(64))

    def energy(self, v):
        return -(v @ self.visible + F.softplus(v @ self.weight.T + self.hidden).sum(1)).mean()

    def forward(self, image):
        v = (image.float() / 16).flatten(1)
        with torch.no_grad():
            h = torch.bernoulli((v @ self.weight.T + self.hidden).sigmoid())
            drawn = torch.bernoulli((h @ self.weight + self.visible).sigmoid())
        return self.energy(v) - self.energy(drawn)


class SparseLinear(nn.Module):
    """As many weights as an Erdos-Renyi graph of so many edges a node has, at places drawn once."""

    def __init__(self, inputs, outputs, epsilon=20):
        super().__init__()
        count = epsilon * (inputs + outputs)
        places = torch.randperm(inputs * outputs)[:count].sort()[0]
        self.register_buffer("places", torch.stack([places // inputs, places % inputs]))
        self.size = (outputs, inputs)
        self.values, self.bias = nn.Parameter(torch.randn(count) * 0.1), nn.Parameter(torch.zeros(outputs))

    def forward(self, x):
        return torch.sparse.mm(torch.sparse_coo_tensor(self.places, self.values, self.size), x.T).T + self.bias


def set_mlp():
    layers = [Pixels(255), nn.Flatten()]
    for inputs in (784, 1000, 1000):
        layers += [SparseLinear(inputs, 1000), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(*layers, nn.Linear(1000, 10))


def iris():
    return nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))


def embed():
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))


def bytes_of(*shape, most=256):
    return lambda n: torch.randint(0, most, (n, *shape), dtype=torch.uint8)


def labels(most, *shape):
    return lambda n: torch.randint(0, most, (n, *shape))


def text(n):
    return torch.randint(0, 256, (n, 64))


def flat_text(n):
    return text(n).flatten()


def mask(*shape):
    return lambda n: torch.randint(0, 2, (n, *shape)).float()


def adam(lr, **more):
    return lambda p: torch.optim.Adam(p, lr=lr, **more)


def adamw(**more):
    return lambda p: torch.optim.AdamW(p, lr=2e-3, **more)


cross_entropy, bce = F.cross_entropy, F.binary_cross_entropy_with_logits

# name: module, samples, input, target and loss (None: the module gives its loss), optimizer, the norm gradients are cut to
EXAMPLES = {
    "digits": (digits, 32, bytes_of(1, 8, 8, most=17), labels(10), cross_entropy, adam(1e-3), 0),
    "iris": (iris, 20, lambda n: torch.rand(n, 4), labels(3), cross_entropy, adam(1e-2), 0),
    "lenet": (lambda: nn.Sequential(Pixels(255), M.lenet()), 64, bytes_of(1, 28, 28), labels(10), cross_entropy, adam(1e-3), 0),
    "rbm": (RBM, 20, bytes_of(1, 8, 8, most=17), None, None,
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5, weight_decay=1e-4), 0),
    "set_mlp": (set_mlp, 100, bytes_of(1, 28, 28), labels(10), cross_entropy, M.sgd(2e-4, 0.05), 0),
    "mlp_layernorm": (mlp_layernorm, 64, bytes_of(1, 28, 28), labels(10), cross_entropy, adamw(weight_decay=0.01), 1),
    "charlm": (CharLM, 32, bytes_of(64), flat_text, cross_entropy, adam(2e-3), 1),
    "gpt": (gpt, 16, bytes_of(64), flat_text, cross_entropy, adamw(betas=(0.9, 0.99), weight_decay=0.1), 1),
    "wavenet": (WaveNet, 32, bytes_of(64), text, cross_entropy, adam(2e-3), 1),
    "speech": (Speech, 64, lambda n: torch.randn(n, 1, 8000), labels(5), cross_entropy, adam(2e-3, weight_decay=1e-4), 0),
    "autoencoder": (Autoencoder, 64, bytes_of(1, 28, 28), None, None, adam(1e-3), 0),
    "vae": (VAE, 64, bytes_of(1, 28, 28), None, None, adam(1e-3), 0),
    "mobilenet": (mobilenet, 64, bytes_of(1, 28, 28), labels(10), cross_entropy, adam(2e-3), 0),
    "resnet20": (resnet20, 32, bytes_of(3, 32, 32), labels(10), cross_entropy, M.sgd(1e-4, 0.1), 0),
    "unet": (unet, 16, bytes_of(1, 32, 32), mask(1, 32, 32), bce, adam(2e-3), 0),
    "embed": (embed, 16, lambda n: torch.randn(n, 2), mask(1), bce, lambda p: torch.optim.SGD(p, lr=0.2, momentum=0.9), 0),
}
