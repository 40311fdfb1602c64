# Drives a page in headless Chromium over the pipe of its DevTools: page.py PAGE [SCREENSHOT]. Real mouse and keys; an
# error of the page is a failure. What is drawn has to lie where the file says, and every label within its box.
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import time


class Browser:
    def __init__(self, folder):
        to_read, self.to = os.pipe()
        self.back, back_write = os.pipe()

        def wire():  # the browser reads from 3 and writes to 4
            a, b = os.dup(to_read), os.dup(back_write)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
             "--user-data-dir=" + folder, "--window-size=1500,1100", "about:blank"],
            preexec_fn=wire, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.count, self.buffer, self.errors, self.session = 0, b"", [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.call(domain + ".enable")

    def message(self):
        while b"\0" not in self.buffer:
            more = os.read(self.back, 1 << 20)
            if not more:
                sys.exit("the browser is gone")
            self.buffer += more
        one, self.buffer = self.buffer.split(b"\0", 1)
        m = json.loads(one)
        method, p = m.get("method"), m.get("params", {})
        said = method == "Runtime.consoleAPICalled" and p["type"] in ("error", "warning", "assert")
        if said or method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(p)[:400])
        if method == "Log.entryAdded" and p["entry"]["level"] in ("error", "warning"):
            self.errors.append(p["entry"]["text"])
        if method == "Network.requestWillBeSent" and not p["request"]["url"].startswith(("file:", "about:", "data:")):
            self.errors.append("it asks the network: " + p["request"]["url"])
        return m

    def call(self, method, **params):
        self.count += 1
        m = {"id": self.count, "method": method, "params": params}
        if self.session:
            m["sessionId"] = self.session
        os.write(self.to, json.dumps(m).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == self.count:
                if "error" in answer:
                    sys.exit(method + ": " + json.dumps(answer["error"]))
                return answer["result"]

    def value(self, expression):
        r = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in r:
            sys.exit(expression + ": " + json.dumps(r["exceptionDetails"])[:400])
        return r["result"].get("value")

    def point(self, selector, click=False):
        x, y = self.value("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'center'});"
                          " const b = e.getBoundingClientRect();"
                          " return [b.left + Math.min(b.width / 2, 60), b.top + b.height / 2]; })()" % json.dumps(selector, ensure_ascii=False))
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, name):
        for kind in ("keyDown", "keyUp"):
            code = {"ArrowLeft": 37, "ArrowDown": 40, "Escape": 27}[name]
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def shot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


def check(condition, *what):
    if not condition:
        sys.exit(" ".join(map(str, what)))


def marked(b, where):
    return b.value("document.querySelectorAll('%s .on').length" % where)


# Of the graph as it is shown: boxes, rows, ends of edges; what the plan shows. As numbers of the file.
SHOWN = """(() => {
    const n = (e, ...names) => names.map(k => +e.getAttribute(k));
    const boxes = [...document.querySelectorAll('main svg .box')].map(g => [
        ...g.getAttribute('transform').match(/[\\d.]+/g).map(Number), ...n(g.querySelector('rect'), 'width', 'height'),
        [...g.querySelectorAll('g')].map(r => [...n(r.querySelector('text'), 'x'), ...n(r.querySelector('rect'), 'y')])]);
    const ends = [...document.querySelectorAll('main svg path')].map(p => {
        const end = p.getPointAtLength(p.getTotalLength());
        return [+p.dataset.from, +p.dataset.to, ...p.getAttribute('d').match(/\\d+/g).slice(0, 2).map(Number),
                Math.round(end.x), Math.round(end.y)];
    });
    const wide = [...document.querySelectorAll('main svg .box')].filter(g => {
        const b = g.querySelector('rect').getBBox();
        return [...g.querySelectorAll('text')].some(t => t.getBBox().x + t.getBBox().width > b.width);
    });
    return {size: n(document.querySelector('main svg'), 'width', 'height'), boxes, ends, wide: wide.map(g => g.textContent)};
})()"""
PLAN = """[...document.querySelectorAll('.plan .buffer')].map(r =>
    [+r.dataset.i, ...['x', 'y', 'width', 'height'].map(k => +r.getAttribute(k)), r.classList[1], r.textContent])"""


def end_of(edge):
    """Where an edge of the file ends: its x, y, then down, aside and down, down, ..."""
    x, y = edge[2], edge[3] + edge[4]
    for dx, dy, down in zip(edge[5::3], edge[6::3], edge[7::3]):
        x, y = x + dx, y + dy + down
    return [x, y]


def check_drawing(b, data, step, graph):
    dump = data["steps"][step]["graphs"].get(graph)
    if dump is None:
        check(b.value("document.querySelector('main svg')") is None, "a graph that is not there is drawn")
        return
    drawing, shown = data["drawings"][data["dumps"][dump]["drawing"]], b.value(SHOWN)
    where = "%s at step %d:" % (graph, step)
    check(shown["size"] == drawing["size"][:2], where, "the size is", shown["size"])
    boxes = [box[1:5] + [[row[1:] for row in box[5]]] for box in drawing["boxes"]]
    check(shown["boxes"] == boxes, where, "boxes do not lie where the file says")
    ends = [edge[:4] + end_of(edge) for edge in drawing["edges"]]
    check(shown["ends"] == ends, where, "edges do not end where the file says")
    check(not shown["wide"], where, "labels are wider than their box:", shown["wide"][:3])


def check_plan(b, data, graph):
    plan = next(g for g in data["graphs"] if g["name"] == graph)["plan"]
    check(b.value(PLAN) == plan["buffers"], graph, "the plan's rectangles do not lie where the file says")
    texts = b.value("[...document.querySelectorAll('.plan text')].map(t => t.textContent)")
    check(texts == [t[3] for t in plan["texts"]], graph, "the plan's texts:", texts)
    check(b.value("[...document.querySelectorAll('.plan text')].every(t => { const b = t.getBBox(), p ="
                  " t.ownerSVGElement.viewBox.baseVal; return b.x >= 0 && b.x + b.width <= p.width && b.y >= 0 &&"
                  " b.y + b.height <= p.height; })"), graph, "a text leaves the plan")


PANEL = "main > section:nth-child(%d)"


def drive(b, path):
    with open(path, encoding="utf-8") as f:
        data = json.loads(re.search('id="data">(.*?)</script>', f.read(), re.S).group(1))
    b.call("Page.navigate", url="file://" + os.path.abspath(path))
    for _ in range(200):
        if b.value("document.readyState") == "complete" and b.value("!!document.querySelector('tbody tr')"):
            break
        time.sleep(0.05)
    check(b.value("document.querySelectorAll('main svg .row').length") > 3, "the graph is not drawn")
    source, graph, c = PANEL % 1, PANEL % 2, PANEL % 3

    # a line marks operations, C and kernels; a kernel marks its operations, its line; a row of the graph, too
    line = b.value("document.querySelector('main svg .row[data-l]').dataset.l")
    b.point(source + " [data-l=%s]" % json.dumps(line, ensure_ascii=False))
    check(marked(b, source) == 1, "one line is marked:", marked(b, source))
    for where in (graph, c, "table"):
        check(marked(b, where) > 0, "a line marks nothing in", where)
    b.point("tbody tr")
    check(marked(b, "table") == 1, "one kernel is marked:", marked(b, "table"))
    for where in (graph, c, source):
        check(marked(b, where) > 0, "a kernel marks nothing in", where)
    check("static" in b.value("document.querySelector('%s .on').textContent" % c), "a kernel's function is not marked")
    # functions belong to what is called: those of loops in threads too, and one to all kernels that share it
    owners = b.value("[...document.querySelectorAll('%s [data-k]')].map(x => [/^ /.test(x.textContent), x.dataset.k.split(' ')])" % c)
    called = {k for call, names in owners if call for k in names}
    functions = [names for call, names in owners if not call]
    check(functions and all(called.issuperset(names) for names in functions), "a function of nothing that is called", functions)
    shared = max(functions, key=len)
    check((len(shared) > 1) == b.value("/^#define k/m.test(document.querySelector('%s').textContent)" % c), "a shared function of", shared)
    if len(shared) > 1:
        b.value("[...document.querySelectorAll('%s [data-k]')].find(x => x.dataset.k === %s).id = 'shared'"
                % (c, json.dumps(" ".join(shared))))
        b.point("#shared")
        check(marked(b, graph) >= len(shared), "a function of", shared, "marks", marked(b, graph))
    b.point(graph + " .row")
    check(marked(b, graph) > 0 and marked(b, source) > 0 and marked(b, c) > 0, "an operation marks too little")
    if b.value("document.querySelectorAll('.buffer').length"):
        b.value("[...document.querySelectorAll('.buffer')]"  # the highest: one of a few bytes is no pixel high
                ".sort((p, q) => q.height.baseVal.value - p.height.baseVal.value)[0].id = 'highest'")
        b.point("#highest")
        check(marked(b, ".wide") > 0 and marked(b, graph) > 0, "a buffer marks too little")

    group = b.value("(() => { const g = document.querySelector('main svg .box[data-i]'); g.id = 'group';"
                    " return g.querySelectorAll('.row').length; })()")
    b.point("#group .head")
    check(b.value("document.querySelectorAll('#group.on, #group .row.on').length") == group + 1, "a group marks too little")
    check(b.value("document.querySelector('main svg .row title').textContent"), "a row says nothing of its operation")

    # keys: arrows walk through the lines, Escape ends it
    b.value("document.querySelector('%s .scroll').focus()" % source)
    b.key("ArrowDown")
    check(marked(b, source) == 1, "an arrow marks no line")
    b.key("Escape")
    check(b.value("document.querySelectorAll('.on').length") == 0, "Escape leaves marks")

    # the slider, by its keys, through every pass and graph
    seen = set()
    for g in b.value("[...document.querySelectorAll('[data-graph]')].map(x => x.dataset.graph)"):
        b.point("[data-graph=%s]" % g, click=True)
        b.value("document.querySelector('input[type=range]').focus()")
        check_plan(b, data, g)
        for step in range(len(data["steps"]) - 1, 0, -1):
            seen.add(b.value("document.querySelector('#pass').textContent"))
            check_drawing(b, data, step, g)
            b.key("ArrowLeft")
            b.point(source + " [data-l=%s]" % json.dumps(line, ensure_ascii=False))
        seen.add(b.value("document.querySelector('#pass').textContent"))
        check_drawing(b, data, 0, g)
        check(b.value("document.querySelector('input[type=range]').value") == "0", "the slider does not move")
        b.value("(() => { const s = document.querySelector('input[type=range]'); s.value = s.max; s.oninput(); })()")
    check({"model", "simplify", "fuse", "plan"} <= seen, "passes seen:", seen)
    b.point(graph + " button", click=True)
    check("graph " in b.value("document.querySelector('%s .scroll').textContent" % graph), "the text of the graph")
    told = b.value("document.querySelector('%s .scroll [data-l]').dataset.l" % graph)
    b.point(source + " [data-l=%s]" % json.dumps(told, ensure_ascii=False))
    check(marked(b, graph) > 0, "a line marks nothing in the text of the graph")
    b.point(graph + " button", click=True)
    for width in (1500, 700):
        b.call("Emulation.setDeviceMetricsOverride", width=width, height=1000, deviceScaleFactor=1, mobile=False)
        check(b.value("document.documentElement.scrollWidth") <= width, "the page scrolls sideways at", width)
    b.call("Emulation.setDeviceMetricsOverride", width=1500, height=1100, deviceScaleFactor=1, mobile=False)
    light = b.value("getComputedStyle(document.body).backgroundColor")
    b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    check(light != b.value("getComputedStyle(document.body).backgroundColor"), "dark is as light")


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    browser = Browser(folder)
    try:
        drive(browser, sys.argv[1])
        if len(sys.argv) > 2:
            browser.point("main svg .row")
            browser.shot(sys.argv[2])
        check(not browser.errors, *browser.errors)
        browser.call("Browser.close")
    finally:
        browser.process.terminate()
        browser.process.wait()
