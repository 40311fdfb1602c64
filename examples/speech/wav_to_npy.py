#!/usr/bin/env python3
"""wav_to_npy.py FOLDER OUT: 16-bit mono recordings at 8 kHz as crops of one second, FOLDER/LANGUAGE/**/*.wav.

Writes OUT/{train,test}-sound.npy, f32 [count, 1, 8000] in -1..1, and OUT/{train,test}-language.npy, i32 [count]: which of the folders,
by name. Every fifth recording goes to the test files whole, so no recording is in both. Recordings shorter than a second
are filled up with silence; crops that are all but silent are left out.
"""
import array
import os
import random
import sys
import wave

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from made import write_npy  # noqa: E402

LENGTH, QUIET = 8000, 300


def samples(path):
    with wave.open(path) as w:
        if (w.getnchannels(), w.getsampwidth(), w.getframerate()) != (1, 2, 8000):
            raise SystemExit(f"{path}: not mono, 16 bits, 8 kHz")
        data = array.array("h", w.readframes(w.getnframes()))
    if sys.byteorder == "big":
        data.byteswap()
    return data


def crops(sound):
    for begin in range(0, max(len(sound) - LENGTH // 2, 1), LENGTH):
        crop = sound[begin:begin + LENGTH]
        if sum(x * x for x in crop) >= QUIET * QUIET * LENGTH:
            yield crop + array.array("h", bytes(2 * (LENGTH - len(crop))))


def main(folder, out):
    os.makedirs(out, exist_ok=True)
    parts = {"train": [], "test": []}
    languages = sorted(os.listdir(folder))
    for label, language in enumerate(languages):
        paths = sorted(os.path.join(d, f) for d, _, files in os.walk(os.path.join(folder, language)) for f in files
                       if f.endswith(".wav"))
        for i, path in enumerate(paths):
            parts["test" if i % 5 == 4 else "train"] += [(crop, label) for crop in crops(samples(path))]
    for name, pairs in parts.items():
        random.Random(1).shuffle(pairs)
        values = array.array("f")
        for crop, _ in pairs:
            values.extend(x / 32768 for x in crop)
        write_npy(f"{out}/{name}-sound.npy", "<f4", "f", [len(pairs), 1, LENGTH], values)
        write_npy(f"{out}/{name}-language.npy", "<i4", "i", [len(pairs)], (label for _, label in pairs))
        counts = [sum(label == k for _, label in pairs) for k in range(len(languages))]
        print(name, ", ".join(f"{n} {c}" for n, c in zip(languages, counts)))


if len(sys.argv) != 3:
    raise SystemExit(__doc__)
main(sys.argv[1], sys.argv[2])
