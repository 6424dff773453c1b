# Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
"""Wrong models, data and files: status 1, a message that names the thing, no crash, no partial output."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from conftest import refused, save_model, small_network, tool
from samples import fetch


@pytest.fixture
def out(tmp_path):
    """The output path; after the test nothing of it may be there, whole or partial."""
    folder = tmp_path / "out"
    folder.mkdir()
    yield folder / "m.bwm"
    assert list(folder.iterdir()) == []


def compiled(model, out, *arguments):
    return tool("quant-compile", model, "-o", out, *arguments)


def one_node(path, op, inputs=("x",), shape=(1, 4), opset=17, ir_version=8, **attributes):
    return save_model(path, [helper.make_node(op, list(inputs), ["y"], name="the_node", **attributes)], [("x", list(shape))],
                      [("y", list(shape))], {}, opset=opset, ir_version=ir_version)


# ---- Models ----------------------------------------------------------------------------------------------------------

def test_missing_model(out, tmp_path):
    refused(compiled(tmp_path / "none.onnx", out), "none.onnx")


@pytest.mark.parametrize("share", [0.999, 0.5, 0.01])
def test_truncated_onnx(out, tmp_path, share):
    data = fetch.path_of("classifier").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(data[:int(share * len(data))])
    refused(compiled(tmp_path / "cut.onnx", out), "cut.onnx")


@pytest.mark.parametrize("data", [b"", b"\x00" * 64, b"not a model\n" * 20, b"\xff" * 4096])
def test_garbage(out, tmp_path, data):
    (tmp_path / "garbage.onnx").write_bytes(data)
    refused(compiled(tmp_path / "garbage.onnx", out), "garbage.onnx")


def test_unsupported_operators_are_listed_at_once(out, tmp_path):
    nodes = [helper.make_node("NonMaxSuppression", ["x"], ["a"], name="first_bad"),
             helper.make_node("Relu", ["a"], ["b"], name="good"),
             helper.make_node("StringNormalizer", ["b"], ["c"], name="second_bad"),
             helper.make_node("Wonder", ["c"], ["y"], name="third_bad", domain="com.example")]
    model = save_model(tmp_path / "m.onnx", nodes, [("x", [1, 4])], [("y", [1, 4])], {})
    refused(compiled(model, out), "NonMaxSuppression", "first_bad", "StringNormalizer", "second_bad", "Wonder", "third_bad")


@pytest.mark.parametrize("opset", [6, 99])
def test_opset_outside_the_range(out, tmp_path, opset):
    refused(compiled(one_node(tmp_path / "m.onnx", "Relu", opset=opset), out), "opset", str(opset), "7", "28")


def test_old_ir_version(out, tmp_path):
    refused(compiled(one_node(tmp_path / "m.onnx", "Relu", opset=7, ir_version=2), out), "IR", "2", "3")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(out, tmp_path, value):
    weights = np.ones((8, 3, 3, 3), np.float32)
    weights[5, 1, 2, 0] = value
    model = small_network(tmp_path / "m.onnx", weights={"w_first": weights})
    refused(compiled(model, out, "--recipe", "float", "--dim", "N=1..4"), "w_first", "nan" if np.isnan(value) else "inf")


def test_absurd_initializer(out, tmp_path):
    model = onnx.load(small_network(tmp_path / "m.onnx"))
    weights = next(t for t in model.graph.initializer if t.name == "w_first")
    del weights.dims[:]
    weights.dims.extend([1 << 40, 1 << 40, 3, 3])
    onnx.save(model, tmp_path / "m.onnx")
    refused(compiled(tmp_path / "m.onnx", out), "w_first")


def test_negative_dimension_of_an_initializer(out, tmp_path):
    model = onnx.load(small_network(tmp_path / "m.onnx"))
    weights = next(t for t in model.graph.initializer if t.name == "w_first")
    weights.dims[0] = -8
    onnx.save(model, tmp_path / "m.onnx")
    refused(compiled(tmp_path / "m.onnx", out), "w_first", "-8")


def test_initializer_with_too_few_bytes(out, tmp_path):
    model = onnx.load(small_network(tmp_path / "m.onnx"))
    weights = next(t for t in model.graph.initializer if t.name == "w_first")
    weights.raw_data = weights.raw_data[:100]
    onnx.save(model, tmp_path / "m.onnx")
    refused(compiled(tmp_path / "m.onnx", out), "w_first")


def test_shapes_that_do_not_fit(out, tmp_path):
    model = small_network(tmp_path / "m.onnx", weights={"w_last": np.ones((4, 9), np.float32)})
    refused(compiled(model, out, "--dim", "N=1"), "last", "8", "9")


def test_value_that_nobody_defines(out, tmp_path):
    refused(compiled(one_node(tmp_path / "m.onnx", "Add", inputs=("x", "ghost")), out), "ghost", "the_node")


def test_cycle(out, tmp_path):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="one"), helper.make_node("Relu", ["a"], ["b"], name="two")]
    refused(compiled(save_model(tmp_path / "m.onnx", nodes, [("x", [1, 4])], [("b", [1, 4])], {}), out), "b")


def external(path, location, offset="0", length="4"):
    model = onnx.load(small_network(path))
    weights = next(t for t in model.graph.initializer if t.name == "b_first")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("location", ["../outside.bin", "/etc/passwd", "sub/../../outside.bin"])
def test_external_data_outside_the_folder(out, tmp_path, location):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "outside.bin").write_bytes(bytes(64))
    refused(compiled(external(folder / "m.onnx", location, length="32"), out), "b_first", location)


def test_external_data_through_a_link(out, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside.bin").write_bytes(bytes(64))
    (folder / "inside.bin").symlink_to(tmp_path / "outside.bin")
    refused(compiled(external(folder / "m.onnx", "inside.bin", length="32"), out), "b_first", "inside.bin")


@pytest.mark.parametrize("offset, length", [("0", "32"), ("1000000", "32"), ("-8", "32"), ("18446744073709551608", "32"), ("x", "32")])
def test_external_data_that_is_not_there(out, tmp_path, offset, length):
    if offset != "0":
        (tmp_path / "data.bin").write_bytes(bytes(64))
    refused(compiled(external(tmp_path / "m.onnx", "data.bin", offset, length), out), "b_first",
            "data.bin" if offset == "0" else offset)


# ---- Dimensions ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dim, words", [
    ("M=1..4", ["M", "N"]), ("x:7=3", ["x:7"]), ("x:1=4", ["x:1", "3"]), ("z:0=1", ["z"]),
])
def test_dimensions_that_make_no_sense(out, small, dim, words):
    refused(compiled(small, out, "--recipe", "float", "--dim", dim), *words)


@pytest.mark.parametrize("dim", ["N", "N=", "N=abc", "=3", "N=1..", "N=1..2..3", "N=4..1", "N=0..4", "N=-1", "N=1..99999999999"])
def test_dimension_syntax(out, small, dim):
    """What no model could have is wrong usage; the message repeats it."""
    refused(compiled(small, out, "--recipe", "float", "--dim", dim), "--dim", dim, status=2)


def test_unbound_dimension_is_named(out, small):
    """A dimension without a size or a range is asked for by name."""
    refused(compiled(small, out, "--recipe", "float"), "N", "--dim")


# ---- Calibration -----------------------------------------------------------------------------------------------------

GOOD = np.ones((4, 3, 8, 8), np.float32)


def with_nan():
    array = GOOD.copy()
    array[2, 1, 0, 3] = np.nan
    return array


@pytest.mark.parametrize("arrays, words", [
    ({"picture": GOOD}, ["picture", "x"]),
    ({"x": GOOD.astype(np.float64)}, ["x", "f8", "f4"]),
    ({"x": GOOD.astype(np.int32)}, ["x", "i4", "f4"]),
    ({"x": GOOD[:, :2]}, ["x", "2", "3"]),
    ({"x": GOOD[0]}, ["x"]),
    ({"x": GOOD[:0]}, ["x", "0"]),
    ({"x": GOOD, "extra": GOOD}, ["extra"]),
    ({}, ["cal.npz"]),
    ({"x": with_nan()}, ["x", "nan"]),
], ids=["name", "float64", "int32", "channels", "rank", "empty", "extra", "nothing", "nan"])
def test_calibration_arrays(out, small, tmp_path, arrays, words):
    np.savez(tmp_path / "cal.npz", **arrays)
    refused(compiled(small, out, "--recipe", "w8a8", "--calibration", tmp_path / "cal.npz", "--dim", "N=1..4"), *words)


def test_calibration_is_asked_for(out, small):
    refused(compiled(small, out, "--recipe", "w8a8", "--dim", "N=1..4"), "--calibration")


def test_calibration_missing_empty_broken(out, small, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 and no more")
    for name in ("none.npz", "empty", "broken.npz"):
        refused(compiled(small, out, "--recipe", "w8a8", "--calibration", tmp_path / name, "--dim", "N=1..4"), name)


# ---- Requests --------------------------------------------------------------------------------------------------------

def test_unknown_target(out, small):
    refused(compiled(small, out, "--recipe", "float", "--dim", "N=1", "--target", "abacus"), "abacus", "cpu")


def test_unknown_recipe(out, small):
    refused(compiled(small, out, "--recipe", "w9a9", "--dim", "N=1"), "w9a9", "w8a8")


@pytest.mark.parametrize("text, words", [("weights: [s8\n", ["r.yaml"]), ("no_such_key: 3\n", ["r.yaml", "no_such_key"])])
def test_broken_recipe(out, small, tmp_path, text, words):
    (tmp_path / "r.yaml").write_text(text)
    refused(compiled(small, out, "--recipe", tmp_path / "r.yaml", "--dim", "N=1"), *words)


def test_output_folder_is_missing(small, tmp_path):
    refused(compiled(small, tmp_path / "no" / "m.bwm", "--recipe", "float", "--dim", "N=1"), "m.bwm")


def test_failure_keeps_an_older_output(small, small_float, tmp_path):
    """A failed run does not touch what stood at the output path."""
    target = tmp_path / "m.bwm"
    target.write_bytes(small_float.read_bytes())
    refused(compiled(small, target, "--recipe", "w9a9", "--dim", "N=1"), "w9a9")
    assert target.read_bytes() == small_float.read_bytes() and list(tmp_path.iterdir()) == [target]


# ---- Running ---------------------------------------------------------------------------------------------------------

X = np.ones((2, 3, 8, 8), np.float32)


@pytest.mark.parametrize("arrays, words", [
    ({"picture": X}, ["picture", "x"]), ({"x": X.astype(np.float64)}, ["x", "f64", "f32"]), ({"x": X[:, :2]}, ["x", "2", "3"]),
    ({"x": X[0]}, ["x", "3", "4"]), ({"x": X[:0]}, ["N", "0"]), ({"x": np.ones((5, 3, 8, 8), np.float32)}, ["N", "5", "4"]),
    ({}, ["x"]), ({"x": X, "extra": X}, ["extra"]),
], ids=["name", "dtype", "channels", "rank", "batch0", "batch5", "missing", "extra"])
def test_inputs_that_do_not_fit(small_float, tmp_path, arrays, words):
    np.savez(tmp_path / "x.npz", **arrays)
    refused(tool("quant-run", small_float, "--inputs", tmp_path / "x.npz", "--outputs", tmp_path / "y.npz"), *words)
    assert not (tmp_path / "y.npz").exists()


@pytest.mark.parametrize("name", ["quant-run", "quant-dump"])
def test_damaged_artifact(small_int8, tmp_path, name):
    data = small_int8.read_bytes()
    flipped = bytearray(data)
    flipped[40] ^= 0xFF
    for title, content in (("empty", b""), ("short", data[:20]), ("half", data[:len(data) // 2]), ("cut", data[:-1]),
                           ("other", b"PK\x03\x04" + data[4:]), ("flipped", bytes(flipped))):
        path = tmp_path / f"{title}.bwm"
        path.write_bytes(content)
        done = tool(name, path) if name == "quant-dump" else tool(name, path, "--info")
        refused(done, f"{title}.bwm")


def test_damaged_weights_are_found_on_request(small_int8, tmp_path):
    """--self-check verifies every byte before it runs anything."""
    data = bytearray(small_int8.read_bytes())
    for position in range(len(data) // 2, len(data), max(1, len(data) // 64)):
        changed = bytearray(data)
        changed[position] ^= 0x10
        path = tmp_path / "changed.bwm"
        path.write_bytes(changed)
        done = tool("quant-run", path, "--self-check")
        # Padding between segments belongs to nobody; every other byte is covered by a digest.
        assert done.returncode in (0, 1), f"byte {position}: {done.returncode} {done.stderr}"
        if data[position] != 0:
            assert done.returncode == 1 and done.stderr, f"byte {position} was changed and nothing noticed"


def test_missing_artifact(tmp_path):
    refused(tool("quant-run", tmp_path / "none.bwm"), "none.bwm")
    refused(tool("quant-run", tmp_path), tmp_path.name)


def test_device_that_the_host_lacks(small_float, tmp_path):
    np.savez(tmp_path / "x.npz", x=X)
    done = tool("quant-run", small_float, "--inputs", tmp_path / "x.npz", "--device", "cuda")
    refused(done, "cuda")


def test_isa_that_the_host_lacks(small_float, tmp_path):
    np.savez(tmp_path / "x.npz", x=X)
    refused(tool("quant-run", small_float, "--inputs", tmp_path / "x.npz", env={"BITWRIGHT_ISA": "sse9"}), "sse9", "avx2")
