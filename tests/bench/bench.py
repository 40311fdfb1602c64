#!/usr/bin/python3
"""tests/bench/bench.py: compiles every workload, times it and its peers in alternation, and writes a table and a page.

Environment: B the build folder, CC the compiler, ONLY a comma list of workloads (w3,w9_conv), THREADS 1 or 2, PASSES how
often each is measured, SECONDS how long each time, CPU which cores. README.md says what is compared with what.
"""
import concurrent.futures
import glob
import json
import os
import random
import shutil
import statistics
import subprocess
import sys

import report
import workloads

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
B = os.path.join(TOP, os.environ.get("B", "build"))
OUT = os.path.join(B, "bench")
CC = os.environ.get("CC", "gcc")
ONLY = [w for w in os.environ.get("ONLY", "").replace(" ", ",").split(",") if w]
THREADS = int(os.environ.get("THREADS") or 1)
PASSES = int(os.environ.get("PASSES") or 3)
SECONDS = float(os.environ.get("SECONDS") or 0.3)
CPU = os.environ.get("CPU") or ("1" if THREADS == 1 and os.cpu_count() > 1 else ",".join(map(str, range(THREADS))))
PYTHON = "/usr/bin/python3"  # Debian's, which has Debian's PyTorch
ORT = os.path.join(OUT, "peers/node_modules/onnxruntime-node/bin/napi-v*/linux/%s/libonnxruntime.so.1")
STRICT = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-march=native"]


def environment(**more):
    env = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    env.update(OMP_NUM_THREADS=str(THREADS), OPENBLAS_NUM_THREADS=str(THREADS), **more)
    return env


def said(*words):
    print(*words, file=sys.stderr, flush=True)


def answer(command):
    """The JSON object that a program prints; None, and its message, where it fails."""
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode:
        said("%s: %s" % (" ".join(command[:4]), done.stderr.strip()[:300] or "status %d" % done.returncode))
        return None
    return json.loads(done.stdout)


# ---- our side ----

def program(case, dtype="f32"):
    return os.path.join(OUT, "%s-%s-%s" % (case.name, case.net, dtype), "call")


def build(case, dtype):
    """'' or what went wrong."""
    folder = os.path.dirname(program(case, dtype))
    shutil.rmtree(folder, ignore_errors=True)
    netc = [os.path.join(B, "netc"), "-O2", "--dtype", dtype, "--emit=c", "--net", case.net, "-o", folder,
            os.path.join(HERE, case.name + ".net")]
    done = subprocess.run(netc, capture_output=True, text=True)
    if done.returncode:
        return "netc: " + done.stderr.strip()
    cc = [CC, *STRICT, "-DMODEL=%s_model" % case.net, "-I" + os.path.join(TOP, "runtime"), "-I" + folder,
          "-o", program(case, dtype), os.path.join(HERE, "call.c"), *glob.glob(folder + "/*.c"),
          os.path.join(B, "libnetrt.a"), "-lz", "-lm"] + (["-fopenmp"] if THREADS > 1 else [])
    done = subprocess.run(cc, capture_output=True, text=True)
    return "cc: " + done.stderr.strip() if done.returncode else ""


def build_all(cases):
    """Builds each net once a type; gives what failed, by (name, net)."""
    nets = {(c.name, c.net): c for c in cases}
    jobs = [(key, c, t) for key, c in nets.items() for t in ("f32", "f64")]
    failed = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (key, c, t), message in zip(jobs, pool.map(lambda j: build(j[1], j[2]), jobs)):
            if message:
                said("%s %s %s: %s" % (*key, t, message[:500]))
                failed[key] = message.split(":")[0] + " fails"
    return failed


def our_time(case):
    return answer([program(case), "time", case.call, str(workloads.samples(case)), str(case.range), str(SECONDS)])


def our_error(case):
    file = os.path.join(OUT, "values")
    words = [case.call, str(workloads.samples(case)), str(case.range), file]
    done = subprocess.run([program(case), "write", *words], env=environment(), capture_output=True, text=True)
    if done.returncode:
        said(done.stderr.strip())
        return None
    got = answer([program(case, "f64"), "compare", *words])
    return got and got["error"]


def compile_tool(name, *flags):
    to = os.path.join(OUT, name)
    subprocess.run([CC, *STRICT, "-o", to, os.path.join(HERE, name + ".c"), *flags], check=True)
    return to


# ---- peers ----

class Torch:
    """A process with PyTorch, asked by lines of JSON."""

    def __init__(self, **more):
        keep = {"MALLOC_MMAP_THRESHOLD_": "4000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}
        self.process = subprocess.Popen([PYTHON, os.path.join(HERE, "torch_peer.py")], env=environment(**keep, **more),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, do, case, **more):
        request = dict(do=do, name=case.name, mode=case.mode, n=case.n, **more)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline() or "null")
        except BrokenPipeError:
            return None

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def openblas_core(said_by_openblas):
    """OpenBLAS takes a CPU that is newer than itself for one of 2004: PyTorch's products would take five times as long."""
    if "Core: Prescott" not in said_by_openblas:
        return {}
    with open("/proc/cpuinfo") as f:
        flags = f.read().split()
    return {"OPENBLAS_CORETYPE": core for flag, core in (("avx2", "Haswell"), ("avx512dq", "SkylakeX")) if flag in flags}


def torch_workers():
    found = subprocess.run([PYTHON, "-c", "import torch"], env=environment(OPENBLAS_VERBOSE="2"), capture_output=True, text=True)
    if found.returncode:
        said("no PyTorch: see `make bench-deps`")
        return []
    core = openblas_core(found.stdout + found.stderr)
    passive = [Torch(OMP_WAIT_POLICY="PASSIVE", GOMP_SPINCOUNT="0", **core)] if THREADS > 1 else []
    return [Torch(**core), *passive]


def onnx_runtime_library():
    found = glob.glob(ORT % ("x64" if os.uname().machine == "x86_64" else "arm64"))
    if not found:
        said("no ONNX Runtime: see `make bench-deps`")
    return found[0] if found else None


def onnx_runtime(case, torch, tool, library):
    """A function that times ONNX Runtime on the case's inference graph, or None."""
    if not library or not torch or case.mode not in ("infer", "fwd") or case.name.startswith("w8") and case.mode == "fwd":
        return None
    graph = os.path.join(OUT, "graph.onnx")
    shapes = torch[0].ask("export", case, file=graph)
    return shapes and (lambda: answer([tool, library, graph, str(SECONDS), str(THREADS), str(case.range),
                                       shapes["output"], *shapes["inputs"]]))


def rivals(case, torch, tool, library):
    """(name, function that times it) of netc and all peers."""
    yield "netc", lambda: our_time(case)
    for worker in torch:
        for peer in ("eager", "channels_last", "jit"):
            yield peer, lambda w=worker, p=peer: w.ask("time", case, peer=p, seconds=SECONDS)
    ort = onnx_runtime(case, torch, tool, library)
    if ort:
        yield "onnxruntime", ort


# ---- the run ----

def passes_of(case, runners):
    """For each pass the median time of each rival, in an order drawn anew; of two of one name the faster."""
    all_passes, bytes_moved = [], None
    for p in range(PASSES):
        times = {}
        for name, run in random.Random("%s%d" % (case, p)).sample(runners, len(runners)):
            got = run()
            if got:
                times[name] = min(got["median_us"], times.get(name, got["median_us"]))
                bytes_moved = got.get("bytes", bytes_moved)
                log_line(case, name, got)
        all_passes.append(times)
    return all_passes, bytes_moved


def log_line(case, peer, got):
    line = dict(peer=peer, workload=case.name, mode=case.mode, batch=case.n, threads=THREADS, gflop=2e-9 * case.macs, **got)
    with open(os.path.join(OUT, "times.jsonl"), "a") as f:
        f.write(json.dumps(line) + "\n")


def middle(values):
    values = [v for v in values if v is not None]
    return statistics.median(values) if values else None


def measured(case, torch, tool, library):
    passes, moved = passes_of(case, list(rivals(case, torch, tool, library)))
    ratios = [t["netc"] / min(v for k, v in t.items() if k != "netc") for t in passes if "netc" in t and len(t) > 1]
    ours = middle(t.get("netc") for t in passes)
    theirs = torch and torch[0].ask("error", case)
    return dict(ours=ours, peers={p: middle(t.get(p) for t in passes) for p in report.PEERS}, ratio=middle(ratios),
                gflops=2e-3 * case.macs / ours if ours and case.macs else None, bytes=moved,
                error=our_error(case) if ours else None, torch_error=theirs and theirs["error"])


def floors(rows, machine):
    """The time that the machine needs for the nominal multiply-adds, or to copy the least bytes: the longer."""
    with_bytes = [r for r in rows if r["bytes"]]
    got = answer([machine, *[str(r["bytes"]) for r in with_bytes]])
    for r, us in zip(with_bytes, got["copy_us"]):
        r["floor"] = max(us, 2e-3 * r["macs"] / (THREADS * got["peak_gflops"]))
    return got["peak_gflops"]


def cpu_name():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown CPU")


def main():
    cases = workloads.cases(ONLY)
    if not cases:
        sys.exit("no workload is called %s" % ",".join(ONLY))
    os.makedirs(OUT, exist_ok=True)
    open(os.path.join(OUT, "times.jsonl"), "w").close()
    said("compiling %d cases" % len(cases))
    failed = build_all(cases)
    tool, machine = compile_tool("onnxruntime", "-ldl"), compile_tool("machine", "-ffp-contract=fast")
    os.sched_setaffinity(0, {int(c) for c in CPU.split(",")})
    torch, library = torch_workers(), onnx_runtime_library()
    rows = []
    for case in cases:
        row = dict(name=case.name, mode=case.mode, n=case.n, macs=case.macs, target=case.target, floor=None, bytes=None,
                   failed=failed.get((case.name, case.net)), ours=None, peers={}, ratio=None, gflops=None, error=None,
                   torch_error=None)
        if not row["failed"]:
            row.update(measured(case, torch, tool, library))
        rows.append(row)
        said("%-22s %-8s %5d %8s us, ratio %s" % (case.name, case.mode, case.n, report.number(row["ours"]),
                                                 report.number(row["ratio"])))
    for worker in torch:
        worker.close()
    write(rows, floors(rows, machine))


def write(rows, peak):
    about = ("Median microseconds a call over %d passes, %d thread%s, %s (%.0f GFLOP/s of multiply-adds a core, measured). "
             "Ratio: netc over the best peer, within a pass." % (PASSES, THREADS, "s" * (THREADS > 1), cpu_name(), peak))
    table = report.markdown(rows, about)
    for name, text in (("bench.md", table), ("bench.html", report.page(rows, about))):
        with open(os.path.join(OUT, name), "w") as f:
            f.write(text)
    print(table)


main()
