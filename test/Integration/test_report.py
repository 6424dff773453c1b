# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""The page of --report, opened in headless Chromium: no error, no request, no empty picture; and the JSON beside it."""

import json
import math
import random

import numpy as np
import onnx
import pytest

from browser import Page
from conftest import RECOGNISER_DIMS, compile_model, refused, save_model, small_network, tool
from onnx import helper
from samples import feed_forward, fetch

AWKWARD = 'a<b>&"c"'

# What is wrong with the pictures of a page, as texts, after all folds were opened: a picture without extent, without a mark, or
# with marks or text beyond its frame (by more than 1.5 pixels, which is a glyph's side bearing).
FAULTS = """(() => {
  for (const box of document.querySelectorAll("details")) box.open = true;
  const faults = [];
  for (const figure of document.querySelectorAll("[data-picture]")) {
    const name = figure.dataset.picture, svg = figure.querySelector("svg"), frame = svg?.getBoundingClientRect();
    if (!svg || frame.width < 50 || frame.height < 50) { faults.push(`${name}: no extent`); continue; }
    const marks = [...svg.querySelectorAll(".mark")];
    if (!marks.some(mark => { const box = mark.getBBox(); return box.width > 0 || box.height > 0; })) faults.push(`${name}: no mark`);
    for (const node of [...marks, ...svg.querySelectorAll("text")]) {
      const box = node.getBoundingClientRect();
      if (![box.left, box.top, box.right, box.bottom].every(Number.isFinite) || box.left < frame.left - 1.5 || box.right > frame.right + 1.5 ||
          box.top < frame.top - 1.5 || box.bottom > frame.bottom + 1.5)
        faults.push(`${name}: ${node.tagName} "${node.textContent}" is beyond the frame`);
    }
    for (const node of svg.querySelectorAll("*"))
      for (const attribute of node.attributes)
        if (/NaN|undefined|Infinity/.test(attribute.value)) faults.push(`${name}: ${attribute.name}=${attribute.value}`);
  }
  if (/NaN|undefined|Infinity|\\[object/.test(document.body.innerText)) faults.push("text: " + document.body.innerText.match(/.*(NaN|undefined|Infinity|\\[object).*/)[0]);
  if (document.documentElement.scrollWidth > innerWidth) faults.push("the page is wider than its window");
  return faults;
})()"""


def inspect(path, **options):
    """Opens a report, asserts what holds for every one, and returns {picture: how many}."""
    with Page(path, **options) as page:
        assert page.problems == []
        assert page.evaluate("document.documentElement.dataset.ready") == "yes"
        assert page.evaluate(FAULTS) == []
        assert page.requests == []
        assert page.problems == []
        names = page.evaluate("[...document.querySelectorAll('[data-picture]')].map(figure => figure.dataset.picture)")
    return {name: names.count(name) for name in names}


def twin_of(path):
    def refuse(text):
        raise AssertionError(f"{text} in {path}")
    return json.loads(path.with_suffix(".json").read_text(), parse_constant=refuse)


# ---- A report of everything at once, made by hand ---------------------------------------------------------------------

def everything():
    draw = random.Random(5)
    layers = []
    for i in range(40):
        low, weight = 10 ** draw.uniform(-6, -1.5), draw.choice(["s4", "s8"])
        layers.append({"name": AWKWARD if i == 3 else f"backbone.stage{i // 8}.block{i % 8}.conv/Conv", "kind": "conv", "shape": "64\u00d764\u00d73\u00d73",
                       "weight": weight, "activation": "s16" if i % 7 == 0 else "s8", "scheme": "per channel, mse", "elements": 36864,
                       "bits": 4.06 if weight == "s4" else 8.06, "bytes": 18720 + i if weight == "s4" else 37152 + i,
                       "loss": low if weight == "s4" else low / 200, "sensitivity": low, "sensitivity_choice": "s4/s8",
                       "weight_sqnr_db": 19.5 if weight == "s4" else 43.0, "output_sqnr_db": draw.uniform(15, 45),
                       "alternative": {"choice": "s8/s8", "loss_change": -low, "price": low / 3}, "reason": "s8/s8 saves 0.1 of loss"})
    # A loss of nothing, one below, a layer with a single choice, an activation that no layer reads.
    layers[5]["loss"], layers[6]["loss"] = 0, -1e-7
    for key in ("alternative", "sensitivity", "sensitivity_choice"):
        del layers[7][key]
    layers.append({"name": "add:codes", "kind": "activations", "activation": "s16", "loss": 1e-5, "sensitivity": 1e-3, "sensitivity_choice": "s8"})
    activations = []
    for i in range(30):
        counts = [int(1e5 * math.exp(-((j - 30 - i) / 8) ** 2)) for j in range(90)]
        activations.append({"name": f"value {i}", "format": "s8", "values": 1, "low": -1 if i != 9 else -400, "high": 2.2 if i != 9 else 400, "smallest": -1, "largest": 3.5,
                            "clipped": [0, 1e-7, 0.01][i % 3], "sqnr_db": 30, "histogram": {"low": -1, "width": 0.05, "counts": counts}})
    trials = [{"name": "uniform s8", "kind": "uniform", "predicted": 0.001, "measured": 0.0011, "used": 9.6},
              {"name": "uniform s4", "kind": "uniform", "predicted": 0.31, "measured": 0.39, "used": 4.9},
              {"name": "chosen before pair terms", "kind": "other", "predicted": 0.004, "measured": 0.006, "used": 7.6}]
    for i in range(30):
        loss = 10 ** draw.uniform(-2.2, -0.7)
        trials.append({"name": f"random {i}", "kind": "random", "predicted": loss, "measured": loss * draw.uniform(0.8, 1.3), "used": draw.uniform(6.6, 7.8)})
    trials.append({"name": "chosen", "kind": "chosen", "predicted": 0.0042, "measured": 0.0047, "used": 7.7})
    pareto = [{"limit": 4.9 + 0.47 * i, "used": 4.9 + 0.46 * i, "loss": 0.31 * math.exp(-0.575 * i), "average_bits": 4.3 + 0.4 * i} for i in range(11)]
    return {
        "kind": "quantization report", "version": 1, "tool": "quant-compile 0", "model": "model.onnx", "recipe": "w8a8", "machine": "a machine",
        "digests": {"graph": "a" * 64, "data": "b" * 64}, "samples": 128, "file": {"weight_bytes": 7812345, "arena_bytes": 4123456},
        "allocation": {"loss_name": "KL of the output", "status": "optimal", "method": "dynamic programming", "predicted": 0.0042, "measured": 0.0047, "bound": 0.0042,
                       "gap": 0, "totals": {"bytes": 7700000, "bops": 4.2e10, "latency": 3.21, "average_bits": 6.31},
                       "budgets": [{"text": "size <= 60 %", "quantity": "size", "unit": "MB", "limit": 7.72, "used": 7.7, "shadow_price": 0.003}],
                       "pareto": pareto, "trials": trials, "pair_terms": 3, "kendall": {"predicted": 0.9, "weight_mse": 0.6}},
        "layers": layers, "activations": activations, "floats": [{"name": "softmax", "kind": "softmax", "reason": "keep_float: softmax"}],
        "remarks": [{"stage": "allocate", "name": f"op {i}", "kind": "conv", "good": i % 3 > 0, "text": "stays float"} for i in range(20)], "omitted": []}


def rendered(folder, twin):
    (folder / "twin.json").write_text(json.dumps(twin))
    done = tool("quant-report", folder / "twin.json", "-o", folder / "page.html")
    assert done.returncode == 0, done.stderr
    return folder / "page.html"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return rendered(tmp_path_factory.mktemp("report"), everything())


ALL_PICTURES = {"bits": 1, "pareto": 1, "trials": 1, "sqnr": 1, "histogram": 30}


@pytest.mark.parametrize("options", [{}, {"dark": True}, {"width": 1366, "height": 700}, {"width": 900}], ids=["light", "dark", "laptop", "narrow"])
def test_every_picture_is_drawn(page, options):
    assert inspect(page, **options) == ALL_PICTURES


def test_dark_mode_changes_the_colours(page):
    colours = []
    for dark in (False, True):
        with Page(page, dark=dark) as opened:
            colours.append([int(part) for part in opened.evaluate("getComputedStyle(document.body).backgroundColor").strip("rgb()").split(",")])
    assert min(colours[0]) > 200 and max(colours[1]) < 60


def test_names_are_text(page):
    with Page(page) as opened:
        assert AWKWARD in opened.evaluate("[...document.querySelectorAll('#decisions td.name')].map(cell => cell.textContent)")
        assert opened.evaluate("document.querySelectorAll('main b').length") == opened.evaluate("document.querySelectorAll('.tile b').length")


def test_pictures_without_data_are_left_out(tmp_path):
    twin = everything()
    del twin["allocation"]
    for layer in twin["layers"]:
        for key in ("sensitivity", "loss", "alternative"):
            layer.pop(key, None)
    assert inspect(rendered(tmp_path, twin)) == {"sqnr": 1, "histogram": 30}
    for layer in twin["layers"]:
        layer.pop("weight_sqnr_db", None), layer.pop("output_sqnr_db", None)
    twin["activations"] = []
    assert inspect(rendered(tmp_path, twin)) == {}


@pytest.mark.parametrize("layers", [1, 2, 25, 160])
def test_any_number_of_layers(tmp_path, layers):
    twin = everything()
    pattern = twin["layers"][0]
    twin["layers"] = [{**pattern, "name": f"a.rather.long.name.of.a.layer.{i}/Conv"} for i in range(layers)]
    twin["allocation"]["trials"] = twin["allocation"]["trials"][-2:]
    twin["allocation"]["pareto"] = twin["allocation"]["pareto"][:1]
    assert inspect(rendered(tmp_path, twin)) == ALL_PICTURES


def test_losses_of_zero_and_below(tmp_path):
    twin = everything()
    for layer in twin["layers"]:
        layer["loss"] = layer["sensitivity"] = 0
    for trial in twin["allocation"]["trials"]:
        trial["predicted"], trial["measured"] = 0, -1e-3 if trial["kind"] == "random" else 0
    for point in twin["allocation"]["pareto"]:
        point["loss"] = 0
    assert inspect(rendered(tmp_path, twin)) == ALL_PICTURES


COLUMN = """(title => {
  const heads = [...document.querySelectorAll("#decisions th")], column = heads.findIndex(head => head.textContent === title);
  return {sort: heads[column].getAttribute("aria-sort"), cells: [...document.querySelectorAll("#decisions tbody tr")].map(row => row.children[column].textContent)};
})"""


def test_a_click_sorts(page):
    expected = sorted(layer["bytes"] for layer in everything()["layers"] if "bytes" in layer)
    with Page(page) as opened:
        def column(title):
            found = opened.evaluate(f"{COLUMN}({json.dumps(title)})")
            return found["sort"], found["cells"]

        def click(title):
            opened.evaluate(f"[...document.querySelectorAll('#decisions th button')].find(b => b.textContent === {json.dumps(title)}).click()")

        assert column("#") == (None, [str(i + 1) for i in range(41)])
        click("Bytes")
        order, cells = column("Bytes")
        # By number, not by text; rows without a value stay last in both directions.
        assert order == "ascending" and [int(c.replace(",", "")) for c in cells[:40]] == expected and cells[40] == ""
        click("Bytes")
        order, cells = column("Bytes")
        assert order == "descending" and [int(c.replace(",", "")) for c in cells[:40]] == expected[::-1] and cells[40] == ""
        click("Layer")
        assert column("Bytes")[0] is None
        assert column("Layer")[0] == "ascending" and column("Layer")[1][:2] == [AWKWARD, "add:codes"]
        assert opened.problems == []


def test_the_check_sees_faults(tmp_path):
    """What `inspect` asserts can fail."""
    page = tmp_path / "bad.html"
    page.write_text('<body><img src="http://127.0.0.1:9/x.png"><figure data-picture="empty"><svg width=100 height=100></svg></figure>'
                    '<figure data-picture="far"><svg width=100 height=100><text x="300" y="20">far</text><path class="mark" d="M0,0H9V9Z"/></svg></figure>'
                    "<script>console.error('told'); throw new Error('thrown')</script>")
    with Page(page) as opened:
        faults = opened.evaluate(FAULTS)
        assert any("told" in text for text in opened.problems) and any("thrown" in text for text in opened.problems)
        assert opened.requests == ["http://127.0.0.1:9/x.png"]
    assert "empty: no mark" in faults and any(fault.startswith("far: text") for fault in faults)


# ---- Reports of compilations ------------------------------------------------------------------------------------------

def test_without_a_budget(tmp_path, small_calibration):
    """Formats, rounding errors, clip points and reasons of a plain compilation."""
    path = small_network(tmp_path / "model.onnx")
    model = onnx.load(path)
    for node in model.graph.node:
        if node.name == "first":
            node.name = AWKWARD
    onnx.save(model, path)
    report = tmp_path / "report.html"
    artifact = compile_model(path, tmp_path / "model.bwm", "--recipe", "w8a8", "--calibration", small_calibration, "--dim", "N=1..4", "--report", report)
    pictures = inspect(report)
    twin = twin_of(report)
    assert pictures == {"sqnr": 1, "histogram": len(twin["activations"])} and pictures["histogram"] >= 2
    assert "allocation" not in twin and twin["omitted"] == []
    layers = {layer["name"]: layer for layer in twin["layers"] if "weight" in layer}
    assert set(layers) == {AWKWARD, "last"}
    assert {(layer["weight"], layer["activation"]) for layer in layers.values()} == {("s8", "s8")}
    assert layers["last"]["shape"] == "4\u00d78" and layers["last"]["kind"] == "linear"
    # 8-bit codes of a normal distribution with a scale a channel: the largest of 27 weights is about 2.4 sigma, so a step is
    # 2.4 / 127 sigma and the ratio 12 (127 / 2.4)^2, 45 dB. A bit more or less would be 6 dB.
    assert 40 < layers[AWKWARD]["weight_sqnr_db"] < 50
    for activation in twin["activations"]:
        assert activation["format"] == "s8" and activation["low"] <= 0 <= activation["high"] and 0 <= activation["clipped"] < 0.01
        assert sum(activation["histogram"]["counts"]) > 0
    assert {remark["stage"] for remark in twin["remarks"]} >= {"allocate", "quantize", "integerize"}
    assert twin["samples"] == 16 and len(twin["digests"]["graph"]) == 64
    weights = int(tool("quant-run", "--info", artifact).stdout.split("weights: ")[1].split()[0])
    assert twin["file"]["weight_bytes"] == weights


def test_sqnr_is_that_of_the_codes(tmp_path):
    """A layer whose rounding is known: absmax 127 gives scale 1, and every weight is 0.25 off its code."""
    rng = np.random.default_rng(1)
    weight = (rng.integers(-100, 100, size=(16, 32)) + 0.25).astype(np.float32)
    weight[:, 0] = 127
    nodes = [helper.make_node("Gemm", ["x", "w"], ["y"], name="only", transB=1)]
    model = save_model(tmp_path / "m.onnx", nodes, [("x", ["N", 32])], [("y", ["N", 16])], {"w": weight})
    recipe = tmp_path / "plain.yaml"
    recipe.write_text("name: plain\nweights: {format: s8, granularity: axis, clip: absmax}\n")
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(16, 32)).astype(np.float32))
    compile_model(model, tmp_path / "m.bwm", "--recipe", recipe, "--calibration", tmp_path / "data.npz", "--dim", "N=1..4", "--report", tmp_path / "r.html")
    layer = next(layer for layer in twin_of(tmp_path / "r.html")["layers"] if layer["name"] == "only")
    signal, noise = float((weight.astype(np.float64) ** 2).sum()), 16 * 31 * 0.0625
    assert layer["weight_sqnr_db"] == pytest.approx(10 * math.log10(signal / noise), abs=1e-9)


def test_float_operations_have_reasons(tmp_path, small, small_calibration):
    recipe = tmp_path / "kept.yaml"
    recipe.write_text("name: kept\nkeep_float: [last]\n")
    compile_model(small, tmp_path / "m.bwm", "--recipe", recipe, "--calibration", small_calibration, "--dim", "N=1..4", "--report", tmp_path / "r.html")
    twin = twin_of(tmp_path / "r.html")
    assert {"name": "last", "kind": "linear", "reason": "keep_float: last"} in twin["floats"]
    assert "last" not in {layer["name"] for layer in twin["layers"]}


def test_float_recipe(tmp_path, small):
    compile_model(small, tmp_path / "m.bwm", "--recipe", "float", "--dim", "N=1..4", "--report", tmp_path / "r.html")
    assert inspect(tmp_path / "r.html") == {}
    assert twin_of(tmp_path / "r.html")["file"]["weight_bytes"] > 0


@pytest.mark.parametrize("recipe", ["w4a16", "w4a8"])
def test_with_a_budget(tmp_path, recipe):
    onnx.save(feed_forward.build(128, 256, seed=3), tmp_path / "block.onnx")
    np.savez(tmp_path / "calibration.npz", x=feed_forward.calibration(128, 3))
    report = tmp_path / "report.html"
    compile_model(tmp_path / "block.onnx", tmp_path / "block.bwm", "--recipe", recipe, "--dim", "M=1..96", "--calibration", tmp_path / "calibration.npz",
                  "--budget", "size <= 60 %", "--pareto", "5", "--rank-check", "6", "--plan-out", tmp_path / "plan.json", "--report", report)
    twin, plan = twin_of(report), json.loads((tmp_path / "plan.json").read_text())
    allocation = twin["allocation"]
    assert allocation["totals"] == plan["totals"]
    assert allocation["predicted"] == plan["loss"] and allocation["measured"] > 0
    assert allocation["budgets"][0]["text"] == "size <= 60 %"
    formats = {layer["name"]: layer for layer in twin["layers"]}
    for group in plan["groups"]:
        if group["name"] != "(rest)":
            assert formats[group["name"]]["weight"] == group["weight"] and formats[group["name"]]["loss"] == group["loss"]
    for layer in (formats["ffn.up"], formats["ffn.down"]):
        assert layer["reason"] and layer["bytes"] > 0 and {choice["weight"] for choice in layer["choices"]} == {"s4", "s8"}
        assert layer["sensitivity_choice"].startswith("s4") and layer["sensitivity"] > 0
        assert (15 < layer["weight_sqnr_db"] < 30) == (layer["weight"] == "s4")
        # Weights alone, or activations with a scale a token.
        assert layer.get("activation") == {"w4a16": None, "w4a8": "s8"}[recipe]
    kinds = [trial["kind"] for trial in allocation["trials"]]
    assert kinds.count("chosen") == 1 and kinds.count("random") >= 6
    assert len(allocation["pareto"]) >= 2
    pictures = inspect(report)
    assert {name for name in pictures if name != "histogram"} == {"bits", "pareto", "trials", "sqnr"}


def test_formats_of_activations(tmp_path, small, small_calibration):
    """A network whose activations are chosen too, and the same formats again from the plan."""
    common = [small, "--recipe", "w8a8", "--calibration", small_calibration, "--dim", "N=1..4"]
    report, again = tmp_path / "report.html", tmp_path / "again.html"
    compile_model(common[0], tmp_path / "m.bwm", *common[1:], "--choices", "s4,s8/s8,s16", "--budget", "bops <= 50 %", "--rank-check", "4", "--plan-out", tmp_path / "plan.json",
                  "--report", report)
    twin, plan = twin_of(report), json.loads((tmp_path / "plan.json").read_text())
    pictures = inspect(report)
    assert pictures["bits"] == 1 and pictures["trials"] == 1 and pictures["histogram"] == len(twin["activations"])
    layers = {layer["name"]: layer for layer in twin["layers"]}
    for group in plan["groups"]:
        if group["name"] != "(rest)":
            layer = layers[group["name"]]
            assert [layer.get("weight", "-"), layer.get("activation", "-")] == [group["weight"], group["activation"] or "-"]
    formats = {activation["format"] for activation in twin["activations"]}
    assert formats == {layer["activation"] for layer in layers.values() if "activation" in layer} and formats == {"s8", "s16"}
    for activation in twin["activations"]:
        # 16 bits hardly clip, and their noise is 48 dB below that of 8 bits.
        assert activation["sqnr_db"] > (70 if activation["format"] == "s16" else 20)
    compile_model(common[0], tmp_path / "again.bwm", *common[1:], "--plan-in", tmp_path / "plan.json", "--report", again)
    repeated = twin_of(again)
    assert "allocation" not in repeated and repeated["plan"].endswith("plan.json")
    assert {layer["name"]: layer.get("weight") for layer in repeated["layers"]} == {name: layer.get("weight") for name, layer in layers.items()}
    assert inspect(again) == {"sqnr": 1, "histogram": len(twin["activations"])}


def test_recogniser(work, recogniser_calibration):
    report = work / "recogniser.html"
    compile_model(fetch.path_of("recogniser"), work / "reported.bwm", "--recipe", "w8a8", "--calibration", recogniser_calibration, *RECOGNISER_DIMS, "--report", report)
    assert report.stat().st_size < 2_000_000
    twin = twin_of(report)
    weights = [layer for layer in twin["layers"] if "weight" in layer]
    assert len(weights) > 50 and all(20 < layer["weight_sqnr_db"] < 60 for layer in weights)
    assert inspect(report) == {"sqnr": 1, "histogram": len(twin["activations"])}


# ---- Bad input --------------------------------------------------------------------------------------------------------

def test_report_needs_a_name_of_a_page(tmp_path, small, small_calibration):
    done = tool("quant-compile", small, "-o", tmp_path / "m.bwm", "--recipe", "w8a8", "--calibration", small_calibration, "--report", tmp_path / "report.json")
    refused(done, "--report: expected a file that ends in .html", "report.json", status=2)
    assert not list(tmp_path.iterdir())


def test_report_that_cannot_be_written(tmp_path, small, small_calibration):
    done = tool("quant-compile", small, "-o", tmp_path / "m.bwm", "--recipe", "w8a8", "--calibration", small_calibration, "--dim", "N=1..4",
                "--report", tmp_path / "missing" / "r.html")
    refused(done, "--report:", "missing")


def test_an_old_report_survives_a_failure(tmp_path, small):
    (tmp_path / "r.html").write_text("old")
    refused(tool("quant-compile", small, "-o", tmp_path / "m.bwm", "--recipe", "w8a8", "--dim", "N=1..4", "--report", tmp_path / "r.html"), "expected --calibration")
    assert (tmp_path / "r.html").read_text() == "old" and not (tmp_path / "r.json").exists()


@pytest.mark.parametrize("text, words", [("{", ["twin.json"]), ("{}", ["expected a report", "something else"]),
                                         ('{"kind": "quantization report", "version": 2}', ["version\": 1", "another kind or version"])])
def test_quant_report_refuses(tmp_path, text, words):
    (tmp_path / "twin.json").write_text(text)
    refused(tool("quant-report", tmp_path / "twin.json", "-o", tmp_path / "page.html"), *words)
    assert not (tmp_path / "page.html").exists()


def test_quant_report_usage(tmp_path):
    refused(tool("quant-report"), "-o", status=2)
    refused(tool("quant-report", tmp_path / "none.json", "-o", tmp_path / "p.html"), "none.json: no such file")
