//===- Launcher.cpp - kernels of a folder on a device -----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "tools/gpu-check/Launcher.h"

#include <algorithm>
#include <cstring>

using namespace bitwright;
using namespace bitwright::gpucheck;
using namespace bitwright::runtime;
using runtime::cuda::CUdeviceptr;
using runtime::cuda::CUstream;

size_t bitwright::gpucheck::resultCount(const FolderKernel &kernel) {
  return kernel.quantize ? 2 : kernel.results.size();
}
size_t bitwright::gpucheck::resultBytes(const FolderKernel &kernel, size_t index, int64_t m) {
  if (kernel.quantize && index == 1)
    return size_t(m) * 4;
  return size_t(m * kernel.n) * bitsOf(kernel.results[index]) / 8;
}

Status LoadedKernel::load(const cuda::ContextPtr &context, const std::string &folder, const FolderKernel &kernel,
                          LoadedKernel &result) {
  std::vector<uint8_t> code;
  if (!readFile(folder + "/" + kernel.file, code))
    return failure(BW_IO_ERROR, folder + "/" + kernel.file + " cannot be read");
  result.context = context;
  result.kernel = &kernel;
  Status status = cuda::Module::load(context, code.data(), code.size(), kernel.file, result.module);
  if (status.ok())
    status = result.module.function(kernel.symbol, result.function);
  if (status.ok())
    status = cuda::allowShared(*context, result.function, kernel.shared);
  if (status.ok() && kernel.persistent) {
    cuda::LaunchShape shape;
    shape.gridX = kernel.cluster;
    shape.threads = kernel.threads;
    shape.sharedBytes = kernel.shared;
    shape.cluster = kernel.cluster;
    status = cuda::residentBlocks(*context, result.function, shape, result.resident);
  }
  return status;
}

Status LoadedKernel::upload(const std::vector<SegmentData> &segments, const cuda::Stream &stream,
                            std::vector<cuda::Memory> &constants) const {
  constants.clear();
  for (const FolderParameter &p : kernel->parameters) {
    constants.emplace_back();
    const Matrix *matrix = p.role == "rhs"                ? &segments[p.index].codes
                           : p.role == "group_scale"      ? &segments[p.index].scales
                           : p.role == "group_zero_point" ? &segments[p.index].zeroPoints
                                                          : nullptr;
    if (!matrix)
      continue;
    std::vector<uint8_t> bytes = p.packing ? layout::pack(*p.packing, [&](int64_t r, int64_t c) { return matrix->at(r, c); })
                                           : plainBytes(*matrix);
    Status status = cuda::Memory::allocate(context, bytes.size(), p.role, constants.back());
    if (status.ok())
      status = constants.back().upload(bytes.data(), bytes.size(), stream.handle());
    if (status.ok())
      status = stream.synchronize();
    if (!status.ok())
      return status;
  }
  return {};
}

Status LoadedKernel::encode(const FolderParameter &p, CUdeviceptr address, int64_t m, cuda::TensorMap &map) const {
  uint64_t height = uint64_t(m), width = uint64_t(kernel->k), bytes = p.mapBits / 8;
  if (p.packing) {
    height = uint64_t(p.packing->tileRows() * p.packing->tile.rows());
    width = uint64_t(p.packing->pitch ? p.packing->pitch : p.packing->tileColumns() * p.packing->tile.columns());
  }
  cuda::MapShape shape;
  shape.element = p.mapBits == 8 ? cuda::MapElement::U8 : cuda::MapElement::U16;
  shape.rank = p.mapRank;
  shape.swizzle128 = p.swizzle;
  if (p.mapRank == 2) {
    shape.dims[0] = width, shape.dims[1] = height;
    shape.strides[0] = width * bytes;
    shape.box[0] = p.boxColumns, shape.box[1] = p.boxRows;
  } else {
    shape.dims[0] = p.boxColumns, shape.dims[1] = height, shape.dims[2] = (width + p.boxColumns - 1) / p.boxColumns;
    shape.strides[0] = width * bytes, shape.strides[1] = p.boxColumns * bytes;
    shape.box[0] = p.boxColumns, shape.box[1] = p.boxRows, shape.box[2] = p.boxBlocks;
  }
  return cuda::encodeMap(*context, address, shape, map);
}

Status LoadedKernel::launch(int64_t m, const cuda::Memory &lhs, const std::vector<cuda::Memory> &constants,
                            const std::vector<cuda::Memory> &operands, const std::vector<cuda::Memory> &results,
                            CUstream stream) const {
  std::vector<cuda::TensorMap> maps(kernel->parameters.size());
  std::vector<void *> arguments;
  int32_t rows = int32_t(m);
  std::vector<CUdeviceptr> addresses(kernel->parameters.size());
  for (size_t i = 0; i < kernel->parameters.size(); ++i) {
    const FolderParameter &p = kernel->parameters[i];
    if (p.role == "m") {
      arguments.push_back(&rows);
      continue;
    }
    addresses[i] = p.role == "lhs"       ? lhs.address
                   : p.role == "operand" ? operands[p.index].address
                   : p.role == "result"  ? results[p.index].address
                                         : constants[i].address;
    arguments.push_back(&addresses[i]);
    if (p.form == "map") {
      if (Status status = encode(p, addresses[i], m, maps[i]); !status.ok())
        return status;
      arguments.back() = &maps[i];
    }
  }
  cuda::LaunchShape shape;
  shape.gridX = uint32_t(evaluateGrid(kernel->gridX, m));
  shape.gridY = uint32_t(evaluateGrid(kernel->gridY, m));
  if (kernel->persistent)
    shape.gridX = std::min(shape.gridX, resident);
  shape.threads = kernel->threads;
  shape.sharedBytes = kernel->shared;
  shape.cluster = kernel->cluster;
  shape.pdl = kernel->pdl;
  return cuda::launch(*context, function, shape, arguments.data(), stream);
}
