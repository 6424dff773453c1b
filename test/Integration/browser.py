# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""A page in headless Chromium, over the DevTools protocol on two pipes (no port, no further package)."""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time


class BrowserError(Exception):
    pass


class Page:
    """A file opened in a browser of its own. `problems` gathers console errors, warnings and exceptions, `requests` the
    addresses that the page asked for besides itself."""

    def __init__(self, path, width=1280, height=900, dark=False, timeout=60):
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if not program:
            raise BrowserError("Chromium was not found: tools/setup installs the package 'chromium'")
        self.timeout, self.problems, self.requests, self.events, self.number = timeout, [], [], [], 0
        self.url = pathlib.Path(path).resolve().as_uri()
        self.profile = tempfile.TemporaryDirectory(prefix="chromium-")
        to_browser, self.output = os.pipe()
        self.input, from_browser = os.pipe()
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                   "--disable-background-networking", "--disable-extensions", "--disable-component-update",
                   f"--user-data-dir={self.profile.name}", f"--window-size={width},{height}", "--remote-debugging-pipe", "about:blank"]
        # The browser reads commands from descriptor 3 and writes to 4 (bash: other shells take one digit only).
        self.process = subprocess.Popen(["bash", "-c", f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}', program, *options],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        pass_fds=(to_browser, from_browser))
        os.close(to_browser)
        os.close(from_browser)
        self.buffer, self.session = b"", None
        try:
            self.open(dark)
        except BaseException:
            self.close()
            raise

    def open(self, dark):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        if dark:
            self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.events.clear()
        self.call("Page.navigate", url=self.url)
        self.wait_for("Page.loadEventFired")

    def message(self, deadline):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.input], [], [], left)[0]:
                raise BrowserError(f"Chromium said nothing for {self.timeout} s")
            part = os.read(self.input, 1 << 16)
            if not part:
                raise BrowserError(f"Chromium ended with status {self.process.wait(10)}")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def note(self, event):
        method, values = event.get("method"), event.get("params", {})
        self.events.append(method)
        if method == "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.problems.append(" ".join(str(a.get("value", a.get("description"))) for a in values["args"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.problems.append(values["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            url = values["request"]["url"]
            if url != self.url and not url.startswith("data:"):
                self.requests.append(url)

    def call(self, method, **parameters):
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.output, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + self.timeout
        while True:
            answer = self.message(deadline)
            if answer.get("id") != self.number:
                self.note(answer)
            elif "error" in answer:
                raise BrowserError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def wait_for(self, method):
        deadline = time.monotonic() + self.timeout
        while method not in self.events:
            self.note(self.message(deadline))

    def evaluate(self, expression):
        """The value of a JavaScript expression, by JSON."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise BrowserError(result["exceptionDetails"].get("exception", {}).get("description", "exception"))
        return result["result"].get("value")

    def screenshot(self, path, **clip):
        """The whole page as PNG; clip: x, y, width, height in CSS pixels."""
        extra = {"clip": {**clip, "scale": 1}} if clip else {}
        image = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, **extra)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(image))

    def pdf(self, path):
        image = self.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(image))

    def close(self):
        for descriptor in (self.output, self.input):
            try:
                os.close(descriptor)
            except OSError:
                pass
        try:
            self.process.wait(10)  # without its pipe the browser ends by itself
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.profile.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
