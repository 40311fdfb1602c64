#!/usr/bin/python3
"""tests/bench/memory.py: what a training step of each example takes of the machine's memory, beside what a PyTorch process
grows by for the same step. README.md says what is counted.

Environment: B the build folder, CC the compiler, ONLY a comma list of examples, PASSES how often each is measured.
"""
import glob
import os
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
B = os.path.join(TOP, os.environ.get("B", "build"))
OUT = os.path.join(B, "bench", "memory")
CC = os.environ.get("CC", "gcc")
ONLY = [w for w in os.environ.get("ONLY", "").replace(" ", ",").split(",") if w]
PASSES = int(os.environ.get("PASSES") or 3)
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's PyTorch


def answer(*command):
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        print("%s: %s" % (" ".join(command[-2:]), done.stderr.strip()[-300:]), file=sys.stderr)
        return None
    return [int(x) for x in done.stdout.split()]


def build(name, model):
    """The program of an example; of none the one that does nothing. None where it cannot be built."""
    folder = os.path.join(OUT, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    program = os.path.join(folder, "memory")
    sources, defines = [os.path.join(HERE, "memory.c")], []
    if model:
        netc = subprocess.run([os.path.join(B, "netc"), "--emit=c", "-o", folder, model], capture_output=True, text=True)
        if netc.returncode:
            print(netc.stderr.strip(), file=sys.stderr)
            return None
        sources += glob.glob(folder + "/*.c")
        defines = ["-DMODEL=%s_model" % name]
    subprocess.run([CC, "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-march=native", *defines,
                    "-I" + os.path.join(TOP, "runtime"), "-I" + folder, "-o", program, *sources,
                    os.path.join(B, "libnetrt.a"), "-lz", "-lm"], check=True)
    return program


def median(runs):
    """Of each figure over the runs; None where one failed."""
    return None if None in runs else [statistics.median(x) for x in zip(*runs)]


def row(name, model, nothing):
    program = build(name, model)
    ours = median([answer(program) for _ in range(PASSES)]) if program else None
    if not ours:
        return "| %s | failed |" % name
    held, code = (x - y for x, y in zip(ours, nothing))
    torch = median([answer(PYTHON, os.path.join(HERE, "torch_memory.py"), name) for _ in range(PASSES)])
    if not torch:
        return "| %s | %.2f | none |" % (name, held / 1e6)
    grows, more_code = torch
    data, their_data = held - code, grows - more_code
    return "| %s | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |" % (
        name, held / 1e6, grows / 1e6, held / grows, data / 1e6, their_data / 1e6, data / their_data)


def main():
    nothing = median([answer(build("nothing", None)) for _ in range(PASSES)])
    print("| example | ours, MB | PyTorch grows by, MB | ratio | but for code: ours | PyTorch | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for model in sorted(glob.glob(os.path.join(TOP, "examples/*/*.net"))):
        name = os.path.basename(model)[:-4]
        if not ONLY or name in ONLY:
            print(row(name, model, nothing), flush=True)


main()
