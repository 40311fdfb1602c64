// codegen/page.js: shows the data of NET.html. Left the model, then a graph after a pass, right the C; below, the
// memory plan and the kernels. Where things lie netc has computed (draw.h); here they become elements, and what is
// pointed at is marked everywhere else: operations know their line, kernels their operations. Text of the model reaches
// the page through textContent alone.
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";

function make(parent, tag, attributes, text) {
    const svg = ["svg", "g", "rect", "text", "tspan", "path", "title"].includes(tag);
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

// ---- what is shown: a graph after a pass; and the same graph after all passes, which kernels and the plan belong to ----
let graph = (data.graphs.find(g => g.name === "infer") || data.graphs[0]).name, step = data.steps.length - 1,
    view = "graph", file = 0, pinned = false;
let last; // of the graph: what netc says of it, its dump after all passes, the operations there
const dump = at => data.steps[at].graphs[graph];
const final = () => dump(step) === dump(data.steps.length - 1);
// Operations have lines of their own in a dump, in their order; `inside` follow that are in their bodies.
function operations(dump) {
    return dump.lines.map(i => data.lines[i])
        .filter(l => l.length > 1)
        .map(([text, label, place, inside]) => ({
                 text: text.slice(0, text.lastIndexOf(" # ")).trim().replace(/ \{$/, ""),
                 label: data.labels[label],
                 place: data.places[place],
                 inside: inside || 0
             }));
}
// How an element tells what it belongs to.
const belonging = (ops, i) => ({"data-i": i, "data-l": ops[i].place || undefined});

// What belongs to an element: lines, operations (after all passes), kernels.
function belongs(x) {
    const lines = new Set(), ops = new Set(), kernels = new Set(), d = x.dataset, own = d.k && d.k.split(" ");
    const take = (first, end) => {
        for (let i = first; i <= end; i++) {
            ops.add(i);
            if (last.ops[i].place) lines.add(last.ops[i].place);
        }
    };
    const exact = d.i !== undefined && (d.last || final());
    if (exact)
        take(+d.i, +d.i + last.ops[d.i].inside);
    else if (d.l) {
        lines.add(d.l);
        last.ops.forEach((o, i) => o.place === d.l && ops.add(i));
    }
    for (const [name, first, end] of last.kernels) {
        if (own && own.includes(name)) take(first, end);
        if (own ? !own.includes(name) : ![...ops].some(i => first <= i && i <= end)) continue;
        kernels.add(name);
        if (exact) ops.add(first);
    }
    return {lines, ops, kernels};
}
function mark(x) {
    document.querySelectorAll(".on").forEach(o => o.classList.remove("on"));
    if (!x) return;
    const b = belongs(x), own = x.dataset.i;
    for (const o of document.querySelectorAll("[data-l], [data-i], [data-k], [data-from]")) {
        const d = o.dataset;
        const on = d.k !== undefined      ? d.k.split(" ").some(k => b.kernels.has(k))
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
make(head, "h1", {}, data.net);
make(head, "span", {class: "soft"},
     `N = ${data.batch}, ${data.real}; an instance that infers takes ${data.infer_bytes.toLocaleString("en")} bytes` +
         (data.train_bytes ? `, one that trains ${data.train_bytes.toLocaleString("en")}` : ""));
const bar = make(document.body, "div", {class: "bar"}), tabs = make(bar, "div", {role: "group", "aria-label": "graph"});
for (const g of data.graphs)
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
    const s = data.steps[step], shown = data.dumps[dump(step)];
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
    if (!shown)
        make(middle.body, "p", {class: "soft", style: "padding: 0 12px"}, "This graph is not there yet.");
    else if (view === "text")
        drawText(shown, operations(shown));
    else
        drawBoxes(data.drawings[shown.drawing], operations(shown));
}
function drawText(shown, ops) {
    let i = 0;
    for (const [text, ...operation] of shown.lines.map(k => data.lines[k]))
        make(middle.body, "div", operation.length ? belonging(ops, i++) : {}, text || " ");
}
// Straight down, then curves with upright ends.
function path([x, y, down, ...curves]) {
    let d = `M${x} ${y}v${down}`;
    for (let i = 0; i < curves.length; i += 3) {
        const [dx, dy, then] = curves.slice(i, i + 3);
        d += `c0 ${dy / 2} ${dx} ${dy / 2} ${dx} ${dy}v${then}`;
    }
    return d;
}
function drawBoxes(drawing, ops) {
    const [width, height, line] = drawing.size,
          svg = make(middle.body, "svg", {width, height, role: "img", "aria-label": "graph " + graph});
    for (const [from, to, ...way] of drawing.edges)
        make(svg, "path", {d: path(way), "data-from": from, "data-to": to});
    for (const [op, x, y, width, height, rows] of drawing.boxes) {
        const group = ops[op].inside > 0, box = make(svg, "g", {
                                              class: "box",
                                              transform: `translate(${x} ${y})`,
                                              ...(group && belonging(ops, op))
                                          });
        make(box, "rect", {width, height, rx: 6});
        for (const [i, x, y] of rows) {
            const row = make(box, "g", group && i === op ? {class: "head"} : {class: "row", ...belonging(ops, i)});
            make(row, "rect", {x: 2, y, width: width - 4, height: line, rx: 3});
            const [name, types] = ops[i].label.split("  "), text = make(row, "text", {x, y: y + line / 2}, name);
            make(text, "tspan", {class: "soft", dx: 7}, types);
            make(row, "title", {}, ops[i].text + (ops[i].place ? "\n" + ops[i].place : ""));
        }
    }
    const start = drawing.edges.length ? drawing.edges[0][0] : 0,
          first = drawing.boxes.find(b => b[0] === start) || [0, 0, 0, 0];
    middle.body.scrollTop = 0;
    middle.body.scrollLeft = Math.max(0, first[1] + first[3] / 2 - middle.body.clientWidth / 2);
}

// C, with comments and words set off; a kernel's functions, and each call of it, belong to the kernel. Kernels may share
// functions: the first has them, the others are names for it. Threads that go through several in a run call them in its function.
const WORDS =
    /(\/\*.*?\*\/|\/\*.*|^ \*.*|\b(?:static|const|void|float|double|int|for|if|else|return|struct|size_t|int32_t|uint8_t)\b)/;
function paint(parent, line) {
    line.split(WORDS).forEach((part, i) =>
                                  i % 2 ? make(parent, /^\w/.test(part) ? "b" : "i", {}, part) : parent.append(part));
}
const FUNCTION = /^static (?:\w+ )*void (k\d+_(?!run\()\w+)\(/, ALIAS = /^#define (k\d+_\w+) (k\d+_\w+)$/;
const CALL = /^\s+(?:(?:NN_ALONE\()?|NN_RUN\([^,]*, )(k\d+_(?!run\b)\w+)[(,]/;
const numberOf = name => /^k\d+/.exec(name)[0];
function owners(lines) {
    const named = {}, shared = {};
    for (const line of lines) {
        const f = /NN_KERNEL/.test(line) && FUNCTION.exec(line), a = ALIAS.exec(line);
        if (f) named[numberOf(f[1])] = f[1];
        if (a) (shared[a[2]] = shared[a[2]] || []).push(a[1]);
    }
    return name => {
        const own = named[numberOf(name)] || name;
        return [own, ...(shared[own] || [])].join(" ");
    };
}
function drawC() {
    right.body.textContent = "";
    right.body.current = null;
    choose.value = file;
    let open = null, block = null;
    const lines = data.files.length ? data.files[file].text.split("\n") : [], of = owners(lines);
    for (let i = 0; i < lines.length; i++) {
        const at = exp => exp.exec(lines[i]) || (/^\/\*/.test(lines[i]) && exp.exec(lines[i + 1] || "")),
              start = at(FUNCTION), alias = at(ALIAS), call = CALL.exec(lines[i]);
        if (!open && start) open = of(start[1]);
        const k = open || (alias && alias[1]) || (call && call[1]) || "";
        if (!block || block.k !== k || (call && !open)) {
            block = make(right.body, "div", k ? {"data-k": k} : {});
            block.k = k;
        }
        paint(block, lines[i] + "\n");
        if (lines[i] === "}") open = null;
    }
}
function drawPlan() {
    const p = last.plan, svg = make(plan.body, "svg",
                                    {class: "plan", viewBox: "0 0 " + p.size.join(" "), preserveAspectRatio: "xMidYMin", role: "img", "aria-label": "memory plan"});
    for (const [kind, d] of p.paths) make(svg, "path", {class: kind, d});
    for (const [op, x, y, width, height, kind, what] of p.buffers) {
        const r = make(svg, "rect",
                       {class: "buffer " + kind, x, y, width, height, "data-last": 1, ...belonging(last.ops, op)});
        make(r, "title", {}, what);
    }
    for (const [x, y, width, height, kind] of p.keys) make(svg, "rect", {class: kind, x, y, width, height});
    for (const [x, y, anchor, words] of p.texts) make(svg, "text", {x, y, "text-anchor": anchor, class: "soft"}, words);
}
function drawCosts() {
    const t = make(costs.body, "table"), h = make(make(t, "thead"), "tr"), body = make(t, "tbody"),
          most = Math.max(1, ...last.kernels.map(k => k[5]));
    for (const c of ["kernel", "line", "multiply-adds", "bytes"]) make(h, "th", {scope: "col"}, c);
    for (const [name, first, , origin, macs, bytes] of last.kernels) {
        const r = make(body, "tr", {"data-k": name, title: origin});
        make(r, "td", {}, clip(name, 34));
        make(r, "td", {}, (last.ops[first].place.match(/\d+$/) || [""])[0]);
        make(r, "td", {}, short(macs));
        make(make(r, "td", {}, short(bytes)), "span",
             {class: "share", style: `width: ${Math.max(1, Math.round(60 * bytes / most))}px`});
    }
}
function clip(s, n) { return s.length > n ? s.slice(0, n - 1) + "\u2026" : s; }
function draw() {
    last = {
        ...data.graphs.find(g => g.name === graph),
        ops: operations(data.dumps[dump(data.steps.length - 1)])
    };
    for (const b of tabs.children) b.setAttribute("aria-pressed", b.dataset.graph === graph);
    const wanted = graph === "infer"     ? "_infer.c"
                   : graph === "prepare" ? data.net + ".c"
                                         : "_train.c",
          at = data.files.findIndex(f => f.file.endsWith(wanted));
    file = at < 0 ? 0 : at;
    drawGraph();
    drawC();
    plan.body.textContent = costs.body.textContent = "";
    drawPlan();
    drawCosts();
}
draw();
