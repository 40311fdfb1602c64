# Drives a page in headless Chromium over the pipe of its DevTools: page.py PAGE [SCREENSHOT]. Real mouse and keys; an
# error of the page is a failure.
import base64
import json
import os
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


PANEL = "main > section:nth-child(%d)"


def drive(b, path):
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
    b.point(graph + " .row")
    check(marked(b, graph) > 0 and marked(b, source) > 0 and marked(b, c) > 0, "an operation marks too little")
    if b.value("document.querySelectorAll('.buffer').length"):
        b.value("[...document.querySelectorAll('.buffer')]"  # the highest: one of a few bytes is no pixel high
                ".sort((p, q) => q.height.baseVal.value - p.height.baseVal.value)[0].id = 'highest'")
        b.point("#highest")
        check(marked(b, ".wide") > 0 and marked(b, graph) > 0, "a buffer marks too little")

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
        for _ in range(int(b.value("document.querySelector('input[type=range]').max"))):
            seen.add(b.value("document.querySelector('#pass').textContent"))
            b.key("ArrowLeft")
            b.point(source + " [data-l=%s]" % json.dumps(line, ensure_ascii=False))
        seen.add(b.value("document.querySelector('#pass').textContent"))
        check(b.value("document.querySelector('input[type=range]').value") == "0", "the slider does not move")
        b.value("(() => { const s = document.querySelector('input[type=range]'); s.value = s.max; s.oninput(); })()")
    check({"model", "simplify", "fuse", "plan"} <= seen, "passes seen:", seen)
    b.point(graph + " button", click=True)
    check("graph " in b.value("document.querySelector('%s .scroll').textContent" % graph), "the text of the graph")
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
