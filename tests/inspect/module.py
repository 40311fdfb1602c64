# Reads a NET.json and checks what must hold in it: every operand is defined before it is read, every buffer and variable
# lies inside its room, no two values that live at once share a byte, every kernel is made of an operation.
import json
import sys


def check(condition, *what):
    if not condition:
        sys.exit(" ".join(map(str, what)))


def elements(shape, batch):
    count = 1
    for d in shape:
        k, _, n = str(d).partition("*")
        count *= int(k) if k != "N" and not n else batch * (1 if k == "N" else int(k))
    return count


def check_operations(operations, known, ids):
    for o in operations:
        check(o["id"] == len(ids), "ids count up:", o["id"])
        ids.append(o)
        for name in o["operands"]:
            check(name in known, o["operation"], "reads", name, "which is not defined")
        check(o["line"] == 0 or o["file"], "a line of no file")
        if "operations" in o:
            inner = known | {p["name"] for p in o["parameters"]}
            check(len(o["parameters"]) == len(o["operands"]), "a parameter for every operand")
            inner = check_operations(o["operations"], inner, ids)
            check(len(o["yields"]) >= len(o["results"]), "a yield for every result")
            check(set(o["yields"]) <= inner, "yields of", o["id"])
        known = known | {r["name"] for r in o["results"]}
    return known


def check_buffers(graph, values):
    buffers = graph["buffers"]
    for b in buffers:
        check(b["value"] in values, b["value"], "is no value")
        check(0 <= b["offset"] and b["offset"] + b["bytes"] <= graph["arena_bytes"], b["value"], "is outside the arena")
        check(0 <= b["first"] <= b["last"] < len(graph["operations"]), b["value"], "lives outside the graph")
    taken = set()  # values whose place another takes, in the operation that reads them last
    for i, a in enumerate(buffers):
        for b in buffers[:i]:
            apart = (a["first"] > b["last"] or b["first"] > a["last"] or a["offset"] >= b["offset"] + b["bytes"] or
                     b["offset"] >= a["offset"] + a["bytes"])
            in_place = a["first"] == b["last"] and (a["offset"], a["bytes"]) == (b["offset"], b["bytes"])
            check(apart or in_place, a["value"], "and", b["value"], "share bytes while both live")
            if in_place:
                check(b["value"] in graph["operations"][a["first"]]["operands"], a["value"], "is not made of", b["value"])
                taken.add(b["value"])
    live = [sum(b["bytes"] for b in buffers if b["first"] <= s <= b["last"] - (b["value"] in taken))
            for s in range(len(graph["operations"]))]
    check(max(live, default=0) <= graph["lower_bound"] <= graph["arena_bytes"], "bounds", max(live, default=0), graph["lower_bound"])


def all_results(operations):
    for o in operations:
        yield from (r["name"] for r in o["results"])
        yield from (p["name"] for p in o.get("parameters", []))
        yield from all_results(o.get("operations", []))


def check_module(m):
    check(m["format"] == "netc 1", "format")
    real = {"f32": 4, "f64": 8}[m["real"]]
    size = {m["real"]: real, "i32": 4, "u8": 1, "bool": 1}
    names = {v["name"] for v in m["variables"]}
    check(len(names) == len(m["variables"]), "two variables of one name")
    for v in m["variables"]:
        check(v["bytes"] == elements(v["shape"], m["batch"]) * size[v["dtype"]], v["name"], "bytes")
        room = m["segments"][v["segment"]] if v["segment"] else v["bytes"]
        check(0 <= v["offset"] and v["offset"] + v["bytes"] <= room, v["name"], "is outside its segment")
        check(v["of"] in names | {""}, v["of"])
    for g in m["graphs"]:
        ids = []
        check_operations(g["operations"], names, ids)
        check_buffers(g, set(all_results(g["operations"])))
        check(g["kernels"] or not g["operations"], "a graph without kernels")
        groups = [k["operation"] for k in g["kernels"] if ids[k["operation"]]["operation"] == "fused"]
        check(groups == [o["id"] for o in ids if o["operation"] == "fused"], "a kernel for every group, in order")
        check(all(k["bytes"] >= 0 and k["multiply_adds"] >= 0 and k["calls"] >= 1 for k in g["kernels"]), "costs")


with open(sys.argv[1], encoding="utf-8") as f:
    module = json.load(f)
check_module(module)
print(" ".join(g["name"] for g in module["graphs"]))
