"""fusion.py NET.json: what the kernels of one of fusion.net's nets may be. An operation counts for the kernel of its group."""
import json, sys

module = json.load(open(sys.argv[1]))


def by_id(operations):
    """Operations of a graph, and of the bodies of its scans."""
    found = {o["id"]: o for o in operations}
    for o in operations:
        if o["operation"] == "scan":
            found |= by_id(o["operations"])
    return found


def kernels(graph):
    """Of each kernel: the operations of its group, bytes, multiply-adds; copies and what moves little are left out."""
    for g in module["graphs"]:
        if g["name"] != graph:
            continue
        groups = by_id(g["operations"])
        for k in g["kernels"]:
            body = [o["operation"] for o in groups[k["operation"]].get("operations", [])]
            if k["bytes"] >= 4096 and "relayout" not in body:
                yield body, k["bytes"], k["multiply_adds"]


def one_pass(graph, arrays, elements):
    """One kernel, which moves so many arrays and little else."""
    (body, size, _), = kernels(graph)
    assert size < arrays * elements * 4 * 1.1, size


def with_a_product(graph, but=0):
    """All kernels of a graph do a product, but for so many."""
    others = [body for body, _, macs in kernels(graph) if not macs]
    assert len(others) == but, others


def softmax_infer():
    one_pass("infer", 2, 32 * 256)


def add_layernorm():
    one_pass("infer", 4, 32 * 256)


def layernorm_train():
    one_pass("train", 3, 32 * 256)


def classify():
    """Behind the product one pass over the rows: the loss, the gradient of the logits, and that of the bias."""
    with_a_product("train", but=1)
    (rows,) = [body for body, _, macs in kernels("train") if not macs]
    assert "reduce_max" in rows and rows.count("exp") == 2 and rows.count("accumulate") == 1, rows
    with_a_product("apply", but=1)


def mlp():
    """Bias, GELU, dropout and what they need backward stand in epilogues; the loss and its gradient are one pass."""
    with_a_product("train", but=1)
    bodies = [body for body, _, _ in kernels("train")]
    assert "erf" in bodies[0] and "uniform" in bodies[0], bodies[0]
    assert len(list(kernels("apply"))) == 1


def convolutions():
    """BatchNorm's statistics and the sums of its gradient are taken where their convolution gives what they sum."""
    for body, _, macs in kernels("train"):
        assert "moments" not in body or macs, body
    first = [body for body, _, macs in kernels("train") if macs and "sum" in body and "select" in body]
    assert len(first) == 1, first
    assert len(list(kernels("apply"))) == 1


def normalised_blocks():
    """What is normalised, added and cut off is made by the convolution that reads it, and so is its gradient. Left are what no
    convolution reads (the last block's result and its mean), and the sums over it."""
    image = 8 * 8 * 8 * 32 * 4
    passes = [body for body, size, macs in kernels("train") if not macs and size > image and {"sub", "mul", "max"} & set(body)]
    assert ["sum" in body for body in passes] == [False, True, True], passes
    images = [body for body, _, macs in kernels("train") if macs and "max" in body and "winograd" in body]
    assert len(images) >= 5, images


def linear_layernorm():
    """The normalisation goes through rows of the product that are at hand: nothing between them is stored."""
    with_a_product("infer")
    ((body, size, _),) = kernels("infer")
    assert "moments" in body and size < (32 * 64 + 64 * 256 + 32 * 256) * 4 * 1.1, (body, size)


def conv_pool():
    """Pools take what convolutions give, by taps and by Winograd's method: no image of full size is stored."""
    bodies = [(body, size) for body, size, macs in kernels("infer") if macs]
    assert [("maxpool" in body, "avgpool" in body) for body, _ in bodies] == [(True, False), (False, True)], bodies
    between, weights = 32 * 8 * 8 * 32, 36 * 32 * 64
    for (_, size), moved in zip(bodies, (32 * 3 * 18 * 18 + between, between + 32 * 4 * 4 * 64 + weights)):
        assert size < moved * 4 * 1.1, (size, moved * 4)


def recurrent():
    """The gates stand behind the product of their step, forward; one product for the inputs of all steps."""
    for graph in "infer", "train":
        bodies = [(body, macs) for body, _, macs in kernels(graph)]
        gates = [macs for body, macs in bodies if "sigmoid" in body]
        assert gates == [10 * 32 * 32 * 128], gates
        assert 32 * 10 * 16 * 128 in [macs for _, macs in bodies], bodies


def attention_by_hand():
    """One kernel in inference, two in training; nothing holds all rows and keys."""
    for graph, count in ("infer", 1), ("train", 2):
        found = [body for body, _, _ in kernels(graph) if any(o.startswith("attention") for o in body)]
        assert len(found) == count, found
    shapes = [v["shape"] for g in module["graphs"] for o in g["operations"] for v in o["results"]]
    assert shapes and not any(s[-2:] == [64, 64] for s in shapes), shapes


globals()[module["net"]]()
