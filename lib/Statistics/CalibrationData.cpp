//===- CalibrationData.cpp - samples for calibration, checked --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Statistics/CalibrationData.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Statistics/MappedArray.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace llvm;

namespace bitwright {

using formats::NpyArray;

static std::string dtypeOf(mlir::Type type) {
  if (type.isF32())
    return "f4";
  if (type.isF16())
    return "f2";
  if (type.isBF16())
    return "V2";
  auto integer = cast<mlir::IntegerType>(type);
  if (integer.getWidth() == 1)
    return "b1";
  return (integer.isUnsigned() ? "u" : "i") + std::to_string(std::max(1u, integer.getWidth() / 8));
}

static std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [i, d] : enumerate(shape))
    text += (i ? ", " : "") + std::to_string(d);
  return text + "]";
}

Expected<std::unique_ptr<CalibrationData>> CalibrationData::open(StringRef path, mlir::func::FuncOp func) {
  std::unique_ptr<CalibrationData> data(new CalibrationData);
  data->path = path.str();
  SmallVector<DimSymbol> symbols = getSymbols(func);
  for (mlir::BlockArgument argument : func.getArguments()) {
    auto type = cast<mlir::RankedTensorType>(argument.getType());
    Input input{getValueName(argument), dtypeOf(type.getElementType()), {}};
    auto dims = func.getArgAttrOfType<mlir::AffineMapAttr>(argument.getArgNumber(), "qnn.dims");
    for (int64_t i = 0; i < type.getRank(); ++i) {
      if (!type.isDynamicDim(unsigned(i)))
        input.dims.push_back({type.getDimSize(i), type.getDimSize(i)});
      else if (dims && i < int64_t(dims.getValue().getNumResults()))
        input.dims.push_back(rangeOf(dims.getValue().getResult(unsigned(i)), symbols));
      else
        input.dims.push_back({1, INT64_MAX});
    }
    data->inputs.push_back(std::move(input));
  }

  auto single = [&](StringRef file) -> Error {
    if (file.ends_with(".npz")) {
      data->groups.push_back({file.str(), {}});
      return Error::success();
    }
    if (data->inputs.size() != 1)
      return createStringError(
          "calibration '" + file + "': the model has " + Twine(data->inputs.size()) +
          " inputs, one .npy file cannot name them: expected an .npz file with one array an input");
    data->groups.push_back({"", {file.str()}});
    return Error::success();
  };

  if (!sys::fs::exists(path))
    return createStringError("calibration '" + path + "': no such file or folder");
  if (!sys::fs::is_directory(path)) {
    if (!path.ends_with(".npz") && !path.ends_with(".npy"))
      return createStringError("calibration '" + path + "': expected an .npz file, an .npy file or a folder of them");
    if (Error error = single(path))
      return std::move(error);
    return data;
  }
  std::vector<std::string> files;
  std::error_code code;
  for (sys::fs::directory_iterator it(path, code), end; it != end && !code; it.increment(code))
    if (StringRef(it->path()).ends_with(".npz") || StringRef(it->path()).ends_with(".npy"))
      files.push_back(it->path());
  llvm::sort(files);
  if (files.empty())
    return createStringError("calibration '" + path + "': the folder holds no .npz or .npy file");
  // One .npy an input, named after it, is one group; otherwise each file stands for itself.
  Group byName;
  for (const Input &input : data->inputs)
    for (const std::string &file : files)
      if (sys::path::filename(file) == input.name + ".npy")
        byName.npys.push_back(file);
  if (!byName.npys.empty() && byName.npys.size() == data->inputs.size() && byName.npys.size() == files.size()) {
    data->groups.push_back(std::move(byName));
    return data;
  }
  for (const std::string &file : files)
    if (Error error = single(file))
      return std::move(error);
  return data;
}

/// Index of the first element that is not finite, or -1.
static int64_t firstNotFinite(const NpyArray &array) {
  uint64_t n = array.elementCount();
  if (array.kind == 'f' && array.itemSize == 4) {
    const float *values = reinterpret_cast<const float *>(array.data.data());
    for (uint64_t i = 0; i < n; ++i)
      if (!std::isfinite(values[i]))
        return int64_t(i);
  } else if (array.kind == 'f' && array.itemSize == 2) {
    // An exponent of all ones is infinity or NaN.
    for (uint64_t i = 0; i < n; ++i)
      if ((array.data[2 * i + 1] & 0x7c) == 0x7c)
        return int64_t(i);
  } else if (array.kind == 'V') {
    for (uint64_t i = 0; i < n; ++i)
      if ((array.data[2 * i + 1] & 0x7f) == 0x7f && (array.data[2 * i] & 0x80))
        return int64_t(i);
  }
  return -1;
}

Error CalibrationData::forEach(function_ref<Error(const Sample &)> visit) {
  hash.init();
  uint64_t visited = 0;
  for (const Group &group : groups) {
    // Read one array an input.
    std::vector<MappedArray> arrays(inputs.size());
    std::vector<std::string> labels(inputs.size());
    std::string reason;
    if (!group.npz.empty()) {
      auto file = formats::NpzFile::open(group.npz, reason);
      if (!file)
        return createStringError("calibration: " + reason);
      for (size_t i = 0; i < inputs.size(); ++i) {
        size_t index = file->find(inputs[i].name);
        labels[i] = "calibration '" + group.npz + "', array '" + inputs[i].name + "'";
        if (index == file->size()) {
          std::string found;
          for (size_t j = 0; j < file->size(); ++j)
            found += (j ? "', '" : "'") + file->name(j);
          return createStringError("calibration '" + group.npz + "': expected an array named '" + inputs[i].name +
                                   "' for the input of that name, found " +
                                   (found.empty() ? "no arrays" : found + "'"));
        }
        if (!MappedArray::open(group.npz, inputs[i].name, arrays[i], reason))
          return createStringError("calibration: " + reason);
      }
      for (size_t j = 0; j < file->size(); ++j)
        if (llvm::none_of(inputs, [&](const Input &input) { return input.name == file->name(j); }))
          return createStringError("calibration '" + group.npz + "': the model has no input '" + file->name(j) +
                                   "'; expected one array an input, under its name");
    } else {
      for (size_t i = 0; i < inputs.size(); ++i) {
        labels[i] = "calibration '" + group.npys[i] + "' for the input '" + inputs[i].name + "'";
        if (!MappedArray::open(group.npys[i], "", arrays[i], reason))
          return createStringError("calibration: " + reason);
      }
    }

    // Check the arrays, and find how many samples they hold.
    std::vector<std::vector<int64_t>> sampleShapes(inputs.size());
    int64_t samples = -1;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Input &input = inputs[i];
      const MappedArray &array = arrays[i];
      std::string expected;
      for (auto [k, dim] : enumerate(input.dims))
        expected +=
            (k ? ", " : "") + (dim.first == dim.second ? std::to_string(dim.first)
                                                       : std::to_string(dim.first) + ".." + std::to_string(dim.second));
      if (array.typeText() != input.dtype)
        return createStringError(labels[i] + ": expected dtype " + input.dtype + ", found " + array.typeText());
      int64_t count, rows = 1;
      size_t rank = input.dims.size();
      std::vector<int64_t> shape;
      if (array.shape.size() == rank + 1) {
        shape.assign(array.shape.begin() + 1, array.shape.end());
        count = array.shape[0];
      } else if (array.shape.size() == rank && rank) {
        rows = input.dims[0].first <= 1 && input.dims[0].second >= 1 ? 1 : input.dims[0].first;
        if (array.shape[0] % rows)
          return createStringError(labels[i] + ": expected a multiple of " + Twine(rows) +
                                   " rows (the model's batch), found " + Twine(array.shape[0]));
        count = array.shape[0] / rows;
        shape = array.shape;
        shape[0] = rows;
      } else {
        return createStringError(labels[i] + ": expected samples of shape [" + expected +
                                 "] stacked along the first axis, found " + shapeText(array.shape));
      }
      for (size_t k = 0; k < rank; ++k)
        if (shape[k] < input.dims[k].first || shape[k] > input.dims[k].second)
          return createStringError(labels[i] + ": expected samples of shape [" + expected + "], found " +
                                   shapeText(shape));
      if (samples >= 0 && count != samples)
        return createStringError(labels[i] + ": expected as many samples as '" + inputs[0].name + "' has (" +
                                 Twine(samples) + "), found " + Twine(count));
      samples = count;
      sampleShapes[i] = std::move(shape);
    }

    for (int64_t s = 0; s < samples; ++s) {
      Sample sample;
      for (size_t i = 0; i < inputs.size(); ++i) {
        NpyArray part;
        part.kind = arrays[i].kind;
        part.itemSize = arrays[i].itemSize;
        part.shape = sampleShapes[i];
        size_t bytes = size_t(part.elementCount()) * part.itemSize;
        ArrayRef<uint8_t> rows = arrays[i].bytes().slice(bytes * size_t(s), bytes);
        part.data.assign(rows.begin(), rows.end());
        if (int64_t bad = firstNotFinite(part); bad >= 0)
          return createStringError(labels[i] + ": expected finite values, found NaN or infinity at element " +
                                   Twine(bad + s * int64_t(part.elementCount())));
        hash.update(inputs[i].name);
        hash.update(shapeText(part.shape));
        hash.update(part.data);
        sample.inputs.push_back(std::move(part));
      }
      if (Error error = visit(sample))
        return error;
      ++visited;
    }
  }
  if (!visited)
    return createStringError("calibration '" + path + "': the set is empty: expected at least one sample");
  return Error::success();
}

std::string CalibrationData::getDigest() const {
  SHA256 soFar = hash;
  return toHex(soFar.final(), /*LowerCase=*/true);
}

} // namespace bitwright
