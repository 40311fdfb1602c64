"""tests/bench/report.py: the rows of a run as a Markdown table and as an HTML page."""
import html

COLUMNS = ["workload", "mode", "n", "netc", "PyTorch", "channels last", "jit", "ONNX Runtime", "ratio", "target",
           "GFLOP/s", "floor", "error", "PyTorch's"]
PEERS = ["eager", "channels_last", "jit", "onnxruntime"]


def number(v):
    if v is None:
        return ""
    return "%.0f" % v if v >= 1000 else "%.1f" % v if v >= 10 else "%.2f" % v


def error(v):
    return "" if v is None else "%.1e" % v


def cells(r):
    ratio = "" if r["ratio"] is None else "%.2f" % r["ratio"]
    if r["target"] and r["ratio"] is not None and r["ratio"] <= r["target"]:
        ratio = "**%s**" % ratio
    return [r["name"], r["mode"], str(r["n"]), r["failed"] or number(r["ours"]), *[number(r["peers"].get(p)) for p in PEERS],
            ratio, "" if r["target"] is None else "%.2f" % r["target"], number(r["gflops"]), number(r["floor"]),
            error(r["error"]), error(r["torch_error"])]


def markdown(rows, about):
    lines = [about, "", "| " + " | ".join(COLUMNS) + " |", "| --- | --- |" + " ---: |" * (len(COLUMNS) - 2)]
    lines += ["| " + " | ".join(cells(r)) + " |" for r in rows]
    met = [r for r in rows if r["target"] and r["ratio"] is not None]
    if met:
        lines += ["", "%d of %d targets met." % (sum(r["ratio"] <= r["target"] for r in met), len(met))]
    return "\n".join(lines) + "\n"


STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; color: #222; background: #fff }
table { border-collapse: collapse } th, td { padding: .15em .6em; text-align: right; white-space: nowrap }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left } tr:nth-child(even) { background: #f4f4f4 }
.met { fill: #2b8a3e } .missed { fill: #4573b5 } .slower { fill: #c2452d } .target { stroke: #111; stroke-width: 2 }
.one { stroke: #999; stroke-dasharray: 3 3 } text { font: 12px system-ui, sans-serif }
"""
LEFT, WIDTH, ROW, MOST = 260, 620, 18, 3.0


def bar(r, i):
    """A workload's ratio as a bar, and its target as a mark."""
    y, ratio = ROW * (i + 1), r["ratio"]
    kind = "slower" if ratio > 1 else "met" if r["target"] and ratio <= r["target"] else "missed"
    wide = min(ratio, MOST) / MOST * WIDTH
    label = html.escape("%s %s %d" % (r["name"], r["mode"], r["n"]))
    parts = ['<text x="%d" y="%d" text-anchor="end">%s</text>' % (LEFT - 8, y + 12, label),
             '<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>' % (kind, LEFT, y + 2, wide, ROW - 5),
             '<text x="%.1f" y="%d">%.2f</text>' % (LEFT + wide + 5, y + 12, ratio)]
    if r["target"]:
        x = LEFT + r["target"] / MOST * WIDTH
        parts.append('<line class="target" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>' % (x, x, y + 1, y + ROW - 2))
    return "".join(parts)


def chart(rows):
    shown = [r for r in rows if r["ratio"] is not None]
    x, height = LEFT + WIDTH / MOST, ROW * (len(shown) + 2)
    return ('<svg width="%d" height="%d"><line class="one" x1="%.1f" x2="%.1f" y1="0" y2="%d"/>'
            '<text x="%.1f" y="12">as fast as the best peer</text>%s</svg>'
            % (LEFT + WIDTH + 60, height, x, x, height, x + 4, "".join(bar(r, i) for i, r in enumerate(shown))))


def page(rows, about):
    head = "".join("<th>%s</th>" % html.escape(c) for c in COLUMNS)
    body = "".join("<tr>%s</tr>" % "".join("<td>%s</td>" % html.escape(c.replace("**", "")) for c in cells(r)) for r in rows)
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>netc: benchmark</title><style>%s</style></head>'
            "<body><h1>netc: benchmark</h1><p>%s</p><h2>Time over the best peer's</h2>"
            "<p>Shorter is better. The black mark is the target; bars end at %.0f.</p>%s"
            "<h2>Microseconds</h2><table><tr>%s</tr>%s</table></body></html>\n"
            % (STYLE, html.escape(about), MOST, chart(rows), head, body))
