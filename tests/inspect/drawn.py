# What NET.html draws beside what NET.json says, drawn.py PAGE JSON: every planned value is a rectangle over its
# operations and bytes, the kernels are the same, and dumps have a line for each operation.
import json
import re
import sys
from fractions import Fraction


def check(condition, *what):
    if not condition:
        sys.exit(" ".join(map(str, what)))


def flat(operations):
    for o in operations:
        yield o
        yield from flat(o.get("operations", []))


with open(sys.argv[1], encoding="utf-8") as page, open(sys.argv[2], encoding="utf-8") as module:
    data, net = json.loads(re.search('id="data">(.*?)</script>', page.read(), re.S).group(1)), json.load(module)
check([g["name"] for g in data["graphs"]] == [g["name"] for g in net["graphs"]], "other graphs")
for drawn, graph in zip(data["graphs"], net["graphs"]):
    name, plan, operations = graph["name"], drawn["plan"], list(flat(graph["operations"]))
    dump = data["dumps"][data["steps"][-1]["graphs"][name]]
    lines = [line for line in (data["lines"][i] for i in dump["lines"]) if len(line) > 1]
    check(len(lines) == len(operations), name, "has", len(operations), "operations and", len(lines), "lines")
    for line, o in zip(lines, operations):
        check(data["labels"][line[1]].split(" ")[0] == o["operation"], name, "says", line, "of", o["id"])
        check(data["places"][line[2]] == ("%s:%d" % (o["file"], o["line"]) if o["line"] else ""), "the place of", line)
        check((line[3] if len(line) > 3 else 0) == len(list(flat(o.get("operations", [])))), "how many are in", line)

    # the axis says where byte 0 and operation 1 are, the upper line of the grid where the arena ends
    paths = dict((kind, d) for kind, d in plan["paths"])
    left, top, bottom, right = map(int, re.match(r"M(\d+) (\d+)V(\d+)H(\d+)$", paths["axis"]).groups())
    check(0 <= left < right <= plan["size"][0] and 0 <= top < bottom <= plan["size"][1], name, "the axis")
    steps, arena = len(graph["operations"]), graph["arena_bytes"]
    check(len(plan["buffers"]) == len(graph["buffers"]), name, "has", len(plan["buffers"]), "rectangles")
    of = {r["name"]: o["id"] for o in operations for r in o["results"]}
    losses = {v for o in operations if o["operation"] == "loss" for v in o["operands"]}  # the last that gives one
    loss = max((i for i, o in enumerate(graph["operations"]) for r in o["results"] if r["name"] in losses), default=-1)
    rectangle = {}
    for op, x, y, width, height, kind, what in plan["buffers"]:
        rectangle[what.split(":")[0]] = op, x, y, width, height, kind
    for b in graph["buffers"]:
        op, x, y, width, height, kind = rectangle[b["value"]]
        check(of.get(b["value"], op) == op, name, b["value"], "is not a result of", op)
        near = lambda is_, want: abs(is_ - want) <= 2  # rounded down, and nothing is less than 1 high
        check(near(x, left + Fraction(b["first"] * (right - left), steps)), name, b, "begins at", x)
        check(near(x + width, left + Fraction((b["last"] + 1) * (right - left), steps)), name, b, "ends at", x + width)
        check(near(y + height, bottom - Fraction(b["offset"] * (bottom - top), arena)), name, b, "stands on", y + height)
        check(near(y, bottom - Fraction((b["offset"] + b["bytes"]) * (bottom - top), arena)), name, b, "reaches", y)
        check(0 <= x and x + width <= plan["size"][0] and 0 <= y and y + height <= plan["size"][1], name, b, "is outside")
        part = "forward" if b["last"] <= loss or name != "train" else "kept" if b["first"] <= loss else "backward"
        check(kind == part, name, b, "is", kind)

    # as many bytes in use as the least that the plan could do with, and never more than the arena
    tops = [int(y) for y in re.findall(r"[ML]\d+ (\d+)H", paths.get("live", ""))]
    check(len(tops) == (steps if graph["buffers"] else 0), name, "the line of bytes in use has", len(tops), "steps")
    check(all(top <= y <= bottom for y in tops), name, "bytes in use leave the arena")
    if tops:
        check(min(tops) + 1 >= bottom - Fraction(graph["lower_bound"] * (bottom - top), arena), name, "the most in use")

    check(len(drawn["kernels"]) == len(graph["kernels"]), name, "other kernels")
    for (kernel, first, last, origin, macs, size), k in zip(drawn["kernels"], graph["kernels"]):
        o = operations[k["operation"]]
        inside = len(list(flat(o.get("operations", [])))) if o["operation"] == "fused" else 0
        check((kernel, first, last, origin) == (k["name"], o["id"], o["id"] + inside, k["origin"]), name, kernel, first)
        check((macs, size) == (k["multiply_adds"], k["bytes"]), name, kernel, macs, size)
