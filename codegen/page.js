// codegen/page.js: draws the data of NET.html. Left the model, then a graph after a pass, right the C; below, the
// memory plan and the kernels. What is pointed at is marked everywhere else: operations know their line, kernels their
// operation. Text of the model reaches the page through textContent alone.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent), mod = data.module;
const SVG = "http://www.w3.org/2000/svg";

function make(parent, tag, attributes, text) {
    const svg = ["svg", "g", "rect", "text", "path", "line", "title"].includes(tag);
    const x = svg ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const k in attributes || {})
        if (attributes[k] !== undefined) x.setAttribute(k, attributes[k]);
    if (text !== undefined) x.textContent = text;
    if (parent) parent.appendChild(x);
    return x;
}
function panel(parent, title, kind) {
    const s = make(parent, "section"), h = make(s, "h2", {}, title);
    const body = make(s, "div", {class: "scroll " + (kind || ""), tabindex: 0, "aria-label": title});
    return {head: h, body};
}
const short = x => x >= 1e9   ? (x / 1e9).toFixed(2) + " G"
                   : x >= 1e6 ? (x / 1e6).toFixed(2) + " M"
                   : x >= 1e3 ? (x / 1e3).toFixed(1) + " k"
                              : String(x);

// ---- the dump as a graph: operations with line, operands and what they lie in ----
const NAME = /[%@](?:"(?:[^"\\]|\\.)*"|[\w.\/-]+)/g,
      ROLE = /^  (input|target|param|frozen|state|grad|optimizer|step|range|prepared)\s+\S/;
function unplain(s) { return s.replace(/%([0-9A-F]{2})/g, (all, hex) => String.fromCharCode(parseInt(hex, 16))); }
function parse(text) {
    const ops = [], open = [];
    for (const raw of text.split("\n").slice(1)) {
        if (!raw.trim() || ROLE.test(raw)) continue;
        const cut = raw.lastIndexOf(" # "), line = (cut < 0 ? raw : raw.slice(0, cut)).trim();
        const place = cut < 0 ? "" : raw.slice(cut + 3).trim().split(" ")[0], top = open[open.length - 1];
        if (line.startsWith("yield")) {
            top.yields = line.match(NAME) || [];
            continue;
        }
        if (line.startsWith("}")) {
            if (!line.endsWith("{")) open.pop();
            continue;
        }
        const eq = /^%/.test(line) ? line.indexOf(" = ") : -1, rest = line.slice(eq < 0 ? 0 : eq + 3);
        const op = {
            id: ops.length,
            name: rest.split(" ")[0],
            line: unplain(place),
            parent: top,
            inner: [],
            results: [],
            yields: []
        };
        for (const m of (eq < 0 ? "" : line.slice(0, eq)).matchAll(/(%\S+) : (\S+)/g))
            op.results.push({name: m[1], type: m[2].replace(/,$/, "")});
        op.operands = rest.match(NAME) || [];
        op.text = line.replace(/ \{$/, "");
        ops.push(op);
        if (top) top.inner.push(op);
        if (line.endsWith("{")) open.push(op);
    }
    return ops;
}

// ---- layout: layers by the longest way from the start, boxes near what they read and what reads them ----
const ROW = 16, WIDTH = 220, GAP = 26;
function flatten(op, depth, rows) {
    for (const o of op.inner) {
        rows.push({op: o, depth});
        flatten(o, depth + 1, rows);
    }
    return rows;
}
function connect(boxes) {
    const from = new Map();
    for (const b of boxes) {
        const all = [b.op, ...b.rows.map(r => r.op)];
        for (const o of all)
            for (const n of o.operands) {
                const s = from.get(n);
                if (s && s !== b) {
                    b.ins.add(s);
                    s.outs.add(b);
                } else if (!s)
                    b.free = false;
            }
        for (const o of all)
            for (const r of o.results) from.set(r.name, b);
    }
}
// Constants, and what is made of constants alone, stand in the boxes of those that read them.
function absorb(boxes) {
    return boxes.filter(b => {
        if (!b.free || b.op.inner.length || !b.outs.size || [...b.ins].length) return true;
        for (const o of b.outs) {
            o.ins.delete(b);
            if (!o.op.inner.length) o.rows = [...b.rows.filter(r => !o.rows.includes(r)), ...o.rows];
        }
        return [...b.outs].some(o => o.op.inner.length);
    });
}
function place(layer, near) {
    for (const b of layer) {
        const n = near(b);
        b.want = n.size ? [...n].reduce((s, i) => s + i.x, 0) / n.size : b.x;
    }
    layer.sort((a, b) => a.want - b.want);
    let at = -Infinity;
    for (const b of layer) {
        b.x = Math.max(b.want, at);
        at = b.x + WIDTH + GAP;
    }
    const shift = layer.reduce((s, b) => s + b.x - b.want, 0) / layer.length;
    for (const b of layer) b.x -= shift;
}
function layout(ops) {
    let boxes = ops.filter(o => !o.parent).map(op => ({
                                                   op,
                                                   rows: op.inner.length ? flatten(op, 0, []) : [{op, depth: 0}],
                                                   ins: new Set(),
                                                   outs: new Set(),
                                                   layer: 0,
                                                   x: 0,
                                                   free: true
                                               }));
    connect(boxes);
    boxes = absorb(boxes);
    for (const b of boxes)
        for (const i of b.ins) b.layer = Math.max(b.layer, i.layer + 1);
    for (const b of [...boxes].reverse())
        if (!b.ins.size && b.outs.size) b.layer = Math.min(...[...b.outs].map(o => o.layer)) - 1;
    const sorted = [];
    for (const b of boxes) (sorted[b.layer] = sorted[b.layer] || []).push(b);
    const layers = sorted.filter(l => l);
    for (let sweep = 0; sweep < 8; sweep++)
        for (const l of sweep % 2 ? [...layers].reverse() : layers) place(l, b => sweep % 2 ? b.outs : b.ins);
    let y = 14;
    for (const l of layers) {
        for (const b of l) {
            b.y = y;
            b.height = (b.rows.length + (b.op.inner.length ? 1 : 0)) * ROW + 8;
        }
        y += Math.max(...l.map(b => b.height)) + 26;
    }
    const low = Math.min(0, ...boxes.map(b => b.x)), high = Math.max(0, ...boxes.map(b => b.x + WIDTH));
    for (const b of boxes) b.x += 14 - low;
    return {boxes, width: high - low + 28, height: y};
}

// ---- state ----
let graph = (mod.graphs.find(g => g.name === "infer") || mod.graphs[0]).name, step = data.steps.length - 1,
    view = "graph", file = 0, pinned = false;
let index; // of the graph chosen, after all passes: operations by id, kernels by name
function flat(operations, group, all) {
    for (const o of operations) {
        all[o.id] = {
            line: o.line ? o.file + ":" + o.line : "",
            group: group < 0 ? o.id : group,
            results: o.results.map(r => r.name)
        };
        flat(o.operations || [], o.operation === "fused" ? o.id : group, all);
    }
    return all;
}
function reindex() {
    const g = mod.graphs.find(x => x.name === graph), ops = flat(g.operations, -1, []);
    const inside = new Map(g.kernels.map(k => [k.name, new Set()]));
    for (const k of g.kernels)
        ops.forEach((o, i) => {
            if (o.group === k.operation || i === k.operation) inside.get(k.name).add(i);
        });
    index = {g, ops, inside};
}
const final = () => data.steps[step].graphs[graph] === data.steps[data.steps.length - 1].graphs[graph];

// What belongs to an element: lines, operations (after all passes), operations as shown, kernels.
function belongs(x) {
    const lines = new Set(), ops = new Set(), kernels = new Set(), d = x.dataset;
    const take = i => {
        ops.add(i);
        if (index.ops[i].line) lines.add(index.ops[i].line);
    };
    if (d.k) {
        kernels.add(d.k);
        (index.inside.get(d.k) || []).forEach(take);
        return {lines, ops, kernels, exact: true};
    }
    if (d.i !== undefined && final()) {
        const group = index.ops[+d.i].group;
        (+d.i === group ? index.ops.map((o, i) => i).filter(i => index.ops[i].group === group) : [+d.i]).forEach(take);
        ops.add(group);
    } else if (d.l) {
        lines.add(d.l);
        index.ops.forEach((o, i) => {
            if (o.line === d.l) ops.add(i);
        });
    }
    for (const [name, inside] of index.inside)
        for (const i of ops)
            if (inside.has(i)) kernels.add(name);
    return {lines, ops, kernels, exact: d.i !== undefined && final()};
}
function mark(x) {
    document.querySelectorAll(".on").forEach(o => o.classList.remove("on"));
    if (!x) return;
    const b = belongs(x), own = x.dataset.i;
    for (const o of document.querySelectorAll("[data-l], [data-i], [data-k], [data-from]")) {
        const d = o.dataset;
        const on = d.k !== undefined      ? b.kernels.has(d.k)
                   : d.from !== undefined ? final() && (b.ops.has(+d.from) || b.ops.has(+d.to))
                   : d.i === undefined    ? b.lines.has(d.l)
                   : d.last || final()    ? b.ops.has(+d.i)
                                          : b.lines.has(d.l) && (own === undefined || own === d.i || !d.l);
        o.classList.toggle("on", on);
    }
}
function reveal(x) {
    for (const body of document.querySelectorAll(".scroll")) {
        const on = body.querySelector(".on");
        if (!on || body.contains(x)) continue;
        const a = on.getBoundingClientRect(), b = body.getBoundingClientRect();
        if (a.top < b.top || a.bottom > b.bottom) body.scrollTop += a.top - b.top - 40;
    }
}
const target = e => e.target.closest && e.target.closest("[data-l], [data-i], [data-k]");
// Escape ends marking until the mouse moves: what scrolls under it at rest does not count.
let pointer = "", ended = "";
document.addEventListener("mouseover", e => {
    pointer = e.clientX + "," + e.clientY;
    if (!pinned && pointer !== ended) mark(target(e));
});
document.addEventListener("click", e => {
    const x = target(e);
    if (x) {
        mark(x);
        pinned = true;
        reveal(x);
    } else if (!e.target.closest("header, .bar, h2")) {
        pinned = false;
        mark(null);
    }
});
document.addEventListener("keydown", e => {
    if (e.key === "Escape") {
        pinned = false;
        ended = pointer;
        mark(null);
        return;
    }
    const body = document.activeElement.closest(".scroll"), down = e.key === "ArrowDown";
    if (!body || (!down && e.key !== "ArrowUp")) return;
    const items = [...body.querySelectorAll("[data-l], [data-i], [data-k]")], at = items.indexOf(body.current);
    const x = items[Math.max(0, Math.min(items.length - 1, at + (down ? 1 : -1)))];
    if (!x) return;
    e.preventDefault();
    body.current = x;
    pinned = true;
    mark(x);
    x.scrollIntoView({block: "nearest", inline: "nearest"});
    reveal(x);
});

// ---- the page ----
const head = make(document.body, "header");
make(head, "h1", {}, mod.net);
make(head, "span", {class: "soft"},
     `N = ${mod.batch}, ${mod.real}; an instance that infers takes ${mod.infer_bytes.toLocaleString("en")} bytes` +
         (mod.segments.grad ? `, one that trains ${mod.train_bytes.toLocaleString("en")}` : ""));
const bar = make(document.body, "div", {class: "bar"}), tabs = make(bar, "div", {role: "group", "aria-label": "graph"});
for (const g of mod.graphs)
    make(tabs, "button", {"data-graph": g.name}, g.name).onclick = () => {
        graph = g.name;
        draw();
    };
const slider =
    make(bar, "input", {type: "range", min: 0, max: data.steps.length - 1, value: step, "aria-label": "pass"});
const passName = make(bar, "strong", {id: "pass"}), passWhat = make(bar, "span", {class: "soft"});
slider.oninput = () => {
    step = +slider.value;
    drawGraph();
};
const panels = make(document.body, "main", {class: "panels"});
const left = panel(panels, "Model", "code"), middle = panel(panels, "Graph"), right = panel(panels, "C", "code");
const toggle = make(middle.head, "button", {"aria-pressed": "false"}, "as text");
toggle.onclick = () => {
    view = view === "graph" ? "text" : "graph";
    drawGraph();
};
const choose = make(right.head, "select", {"aria-label": "file"});
data.files.forEach((f, i) => make(choose, "option", {value: i}, f.file));
choose.onchange = () => {
    file = +choose.value;
    drawC();
};
const wide = make(document.body, "div", {class: "wide"});
const plan = panel(wide, "Memory: offsets over the order of operations"), costs = panel(wide, "Kernels");

for (const s of data.sources) {
    if (data.sources.length > 1) make(left.body, "div", {class: "soft"}, s.file);
    s.text.split("\n").forEach(
        (line, i) => make(left.body, "div", {"data-l": s.file + ":" + (i + 1), "data-n": i + 1}, line || " "));
}
if (!data.sources.length)
    make(left.body, "div", {class: "soft"}, "The model's text is not at hand: this began with a dump.");

function drawGraph() {
    const s = data.steps[step], dump = s.graphs[graph];
    passName.textContent = s.name;
    passWhat.textContent = s.what;
    slider.value = step;
    slider.setAttribute("aria-valuetext", s.name);
    toggle.setAttribute("aria-pressed", view === "text");
    middle.body.textContent = "";
    middle.body.current = null;
    middle.body.classList.toggle("code", view === "text");
    pinned = false;
    mark(null);
    if (dump === undefined) {
        make(middle.body, "p", {class: "soft", style: "padding: 0 12px"}, "This graph is not there yet.");
        return;
    }
    if (view === "text")
        drawText(data.texts[dump]);
    else
        drawBoxes(parse(data.texts[dump]));
}
function drawText(text) {
    let id = 0;
    const ops = parse(text);
    for (const raw of text.split("\n")) {
        const x = make(middle.body, "div", {}, raw || " ");
        if (id < ops.length && raw.trim().startsWith(ops[id].text)) {
            x.dataset.i = id;
            x.setAttribute("data-g", ops[id].line);
            id++;
        }
    }
}
function drawBoxes(ops) {
    const g = layout(ops), svg = make(middle.body, "svg",
                                      {width: g.width, height: g.height, role: "img", "aria-label": "graph " + graph});
    for (const b of g.boxes)
        for (const a of b.ins) {
            const x1 = a.x + WIDTH / 2, y1 = a.y + a.height, x2 = b.x + WIDTH / 2, y2 = b.y,
                  bend = Math.min(40, (y2 - y1) / 2);
            make(svg, "path", {
                d: `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`,
                "data-from": a.op.id,
                "data-to": b.op.id
            });
        }
    for (const b of g.boxes) {
        const group = b.op.inner.length > 0;
        const box = make(svg, "g",
                         group ? {class: "box", "data-i": b.op.id, "data-l": b.op.line || undefined} : {class: "box"});
        make(box, "rect", {x: b.x, y: b.y, width: WIDTH, height: b.height, rx: 6});
        if (group)
            make(box, "text", {x: b.x + 8, y: b.y + 14, class: "soft"},
                 clip(b.op.name + " " + b.op.results.map(r => r.name).join(" "), 32));
        b.rows.forEach((r, i) => {
            const y = b.y + 4 + (i + (group ? 1 : 0)) * ROW,
                  row = make(box, "g", {class: "row", "data-i": r.op.id, "data-l": r.op.line || undefined});
            make(row, "rect", {x: b.x + 2, y, width: WIDTH - 4, height: ROW, rx: 3});
            make(row, "text", {x: b.x + 8 + r.depth * 10, y: y + 12},
                 clip(r.op.name + "  " + r.op.results.map(v => v.type).join(" "), 31 - r.depth));
            make(row, "title", {}, r.op.text + (r.op.line ? "\n" + r.op.line : ""));
        });
    }
    middle.body.scrollTop = 0;
    middle.body.scrollLeft = Math.max(0, g.boxes.length ? g.boxes[0].x + WIDTH / 2 - middle.body.clientWidth / 2 : 0);
}
function clip(s, n) { return s.length > n ? s.slice(0, n - 1) + "\u2026" : s; }

// C, with comments and words set off; a kernel's function, and each call of it, belong to the kernel.
const WORDS =
    /(\/\*.*?\*\/|\/\*.*|^ \*.*|\b(?:static|const|void|float|double|int|for|if|else|return|struct|size_t|int32_t|uint8_t)\b)/;
function paint(parent, line) {
    line.split(WORDS).forEach((part, i) =>
                                  i % 2 ? make(parent, /^\w/.test(part) ? "b" : "i", {}, part) : parent.append(part));
}
const FUNCTION = /^static (?:\w+ )*void (k\d+_\w+)\(/;
function drawC() {
    right.body.textContent = "";
    right.body.current = null;
    choose.value = file;
    let open = null, block = null;
    const lines = data.files.length ? data.files[file].text.split("\n") : [];
    for (let i = 0; i < lines.length; i++) {
        const start = FUNCTION.exec(lines[i]) || (/^\/\*/.test(lines[i]) && FUNCTION.exec(lines[i + 1] || "")),
              call = /^\s+(k\d+_\w+)\(/.exec(lines[i]);
        if (!open && start) open = start[1];
        const k = open || (call && call[1]) || "";
        if (!block || block.k !== k || (call && !open)) {
            block = make(right.body, "div", k ? {"data-k": k} : {});
            block.k = k;
        }
        paint(block, lines[i] + "\n");
        if (lines[i] === "}") open = null;
    }
}
function drawPlan() {
    plan.body.textContent = "";
    const g = index.g, steps = Math.max(1, g.operations.length), W = Math.max(300, plan.body.clientWidth - 24),
          H = Math.max(200, plan.body.clientHeight - 30), L = 62, B = 34;
    const svg = make(plan.body, "svg", {width: W, height: H, role: "img", "aria-label": "memory plan"}),
          top = Math.max(1, g.arena_bytes);
    const px = s => L + s / steps * (W - L - 8), py = o => H - B - o / top * (H - B - 14), of = new Map();
    index.ops.forEach((o, i) => o.results.forEach(r => of.set(r, i)));
    for (const b of g.buffers) {
        const i = of.get(b.value), x = px(b.first), y = py(b.offset + b.bytes);
        const r = make(svg, "rect", {
            class: "buffer",
            x,
            y,
            width: Math.max(1, px(b.last + 1) - x),
            height: Math.max(1, py(b.offset) - y),
            "data-i": i,
            "data-last": 1,
            "data-l": i === undefined ? undefined : index.ops[i].line
        });
        make(r, "title", {}, `${b.value}: ${b.bytes.toLocaleString("en")} bytes at ${b.offset.toLocaleString("en")}`);
    }
    for (const f of [0, .25, .5, .75, 1])
        make(svg, "text", {x: L - 6, y: py(f * top) + 4, "text-anchor": "end", class: "soft"},
             short(Math.round(f * top)) + "B");
    make(svg, "path", {d: `M${L} 10V${H - B}H${W - 8}`});
    make(svg, "text", {x: L, y: H - 16, class: "soft"}, `operations 1 to ${g.operations.length}`);
    make(svg, "text", {x: L, y: H - 3, class: "soft"},
         `arena ${g.arena_bytes.toLocaleString("en")} bytes, at least ${g.lower_bound.toLocaleString("en")}`);
}
function drawCosts() {
    costs.body.textContent = "";
    const t = make(costs.body, "table"), h = make(make(t, "thead"), "tr"), body = make(t, "tbody"),
          most = Math.max(1, ...index.g.kernels.map(k => k.bytes));
    for (const c of ["kernel", "line", "multiply-adds", "bytes"]) make(h, "th", {scope: "col"}, c);
    for (const k of index.g.kernels) {
        const r = make(body, "tr", {"data-k": k.name, title: k.origin});
        make(r, "td", {}, clip(k.name, 34));
        make(r, "td", {}, (index.ops[k.operation].line.match(/\d+$/) || [""])[0]);
        make(r, "td", {}, short(k.multiply_adds));
        make(make(r, "td", {}, short(k.bytes)), "span",
             {class: "share", style: `width: ${Math.max(1, Math.round(60 * k.bytes / most))}px`});
    }
}
function draw() {
    reindex();
    for (const b of tabs.children) b.setAttribute("aria-pressed", b.dataset.graph === graph);
    const wanted = graph === "infer"     ? "_infer.c"
                   : graph === "prepare" ? mod.net + ".c"
                                         : "_train.c",
          at = data.files.findIndex(f => f.file.endsWith(wanted));
    file = at < 0 ? 0 : at;
    drawGraph();
    drawC();
    drawPlan();
    drawCosts();
}
draw();
window.addEventListener("resize", drawPlan);
