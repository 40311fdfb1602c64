#!/usr/bin/env python3
"""examples/made.py gratings|discs COUNT SEED FOLDER: made data as .npy files, for examples whose real data is not at hand.

gratings: image [COUNT, 3, 32, 32] u8 and label [COUNT] i32. Stripes in two colours under noise; the ten classes are five
          directions in two widths.
discs:    image [COUNT, 1, 32, 32] u8 and mask [COUNT, 1, 32, 32] f32. Up to three bright discs on a slope under noise;
          mask is 1 within them.
"""
import array
import math
import os
import random
import sys

SIZE = 32


def write_npy(path, kind, code, shape, values):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }" % (kind, ", ".join(map(str, shape)))
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(path, "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode())
        data = array.array(code, values)
        if sys.byteorder == "big":
            data.byteswap()
        data.tofile(f)


def pixel(rng, value, noise):
    return min(255, max(0, round(value + rng.gauss(0, noise))))


def grating(rng, label):
    angle = math.pi * (label % 5) / 5 + rng.uniform(-0.15, 0.15)
    turn = (0.5 if label < 5 else 1.0) * rng.uniform(0.8, 1.2)
    phase = rng.uniform(0, 2 * math.pi)
    across, down = turn * math.cos(angle), turn * math.sin(angle)
    wave = [0.5 + 0.5 * math.sin(across * x + down * y + phase) for y in range(SIZE) for x in range(SIZE)]
    for _ in range(3):
        dark, light = rng.uniform(0, 255), rng.uniform(0, 255)
        yield from (pixel(rng, dark + (light - dark) * w, 40) for w in wave)


def discs(rng):
    places = [(rng.uniform(4, 28), rng.uniform(4, 28), rng.uniform(3, 8)) for _ in range(rng.randint(1, 3))]
    base, across, down = rng.uniform(40, 100), rng.uniform(-2, 2), rng.uniform(-2, 2)
    bright = rng.uniform(40, 80)
    mask = [float(any((x - a) ** 2 + (y - b) ** 2 < r * r for a, b, r in places)) for y in range(SIZE) for x in range(SIZE)]
    image = [pixel(rng, base + across * (i % SIZE) + down * (i // SIZE) + bright * m, 30) for i, m in enumerate(mask)]
    return image, mask


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in ("gratings", "discs"):
        sys.exit(__doc__)
    what, count, rng, to = sys.argv[1], int(sys.argv[2]), random.Random(int(sys.argv[3])), sys.argv[4]
    os.makedirs(to, exist_ok=True)
    if what == "gratings":
        labels = [rng.randrange(10) for _ in range(count)]
        images = [v for label in labels for v in grating(rng, label)]
        write_npy(os.path.join(to, "image.npy"), "|u1", "B", [count, 3, SIZE, SIZE], images)
        write_npy(os.path.join(to, "label.npy"), "<i4", "i", [count], labels)
    else:
        pairs = [discs(rng) for _ in range(count)]
        write_npy(os.path.join(to, "image.npy"), "|u1", "B", [count, 1, SIZE, SIZE], [v for i, _ in pairs for v in i])
        write_npy(os.path.join(to, "mask.npy"), "<f4", "f", [count, 1, SIZE, SIZE], [v for _, m in pairs for v in m])


if __name__ == "__main__":
    main()
