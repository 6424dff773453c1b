//===- KernelFolder.cpp - kernels for a machine with only a driver ----------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelFolder.h"
#include "lib/Target/Nvptx/Schedules.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

static void printPostfix(AffineExpr expr, raw_ostream &os) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    os << " " << constant.getValue();
    return;
  }
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary) {
    os << " M";
    return;
  }
  printPostfix(binary.getLHS(), os);
  printPostfix(binary.getRHS(), os);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    os << " +";
    break;
  case AffineExprKind::Mul:
    os << " *";
    break;
  case AffineExprKind::FloorDiv:
    os << " /";
    break;
  case AffineExprKind::CeilDiv:
    os << " ^";
    break;
  default:
    os << " %";
  }
}

static void printBasis(const std::vector<uint32_t> &basis, raw_ostream &os) {
  if (basis.empty())
    os << "-";
  llvm::interleave(basis, os, ",");
}

static StringRef nameOfRole(Role role) {
  static const StringRef names[] = {"lhs", "rhs", "group_scale", "group_zero_point", "operand", "result", "m"};
  return names[unsigned(role)];
}
static StringRef nameOfForm(Form form) {
  static const StringRef names[] = {"pointer", "map", "int"};
  return names[unsigned(form)];
}

void KernelFolder::add(const EmittedKernel &emitted, Operation *op, kernel::ScheduleAttr schedule,
                       const Assembled &assembled, StringRef lines) {
  llvm::raw_string_ostream os(manifest);
  std::string file = emitted.symbol + "." + bitwright::nvptx::nameOf(emitted.arch).str() + ".cubin";
  os << "kernel " << emitted.symbol << "\n";
  if (auto tag = op->getAttrOfType<StringAttr>("tag"))
    os << "tag " << tag.getValue() << "\n";
  os << "signature " << signatureOf(op) << "\ncode " << file << " " << bitwright::nvptx::nameOf(emitted.arch) << "\n";
  if (schedule)
    os << "schedule " << schedule << "\n";
  os << "launch " << emitted.threads << " " << emitted.sharedBytes << " " << emitted.cluster << " " << emitted.pdl << " "
     << emitted.persistent << "\ngrid";
  printPostfix(emitted.gridX, os);
  os << " |";
  printPostfix(emitted.gridY, os);
  os << "\n";
  ArrayAttr operands, results;
  if (auto gemm = dyn_cast<kernel::GemmOp>(op)) {
    os << "size " << gemm.getN() << " " << gemm.getK() << "\n";
    for (auto segment : gemm.getSegments().getAsRange<kernel::SegmentAttr>()) {
      os << "segment " << segment.getLhs() << " " << segment.getRhs() << " " << segment.getK() << " "
         << segment.getGroup() << " " << kernel::stringifyGrouping(segment.getGrouping()) << " ";
      if (segment.getScale())
        os << segment.getScale();
      else
        os << "-";
      os << " " << kernel::stringifyPlace(segment.getPlace()) << "\n";
    }
    operands = gemm.getOperandsAttr(), results = gemm.getResultsAttr();
  } else {
    auto rows = cast<kernel::RowsOp>(op);
    os << "size " << rows.getN() << " 0\n";
    if (rows.getQuantize())
      os << "quantize\n";
    operands = rows.getOperandsAttr(), results = rows.getResultsAttr();
  }
  auto ranges = op->getAttrOfType<ArrayAttr>("ranges");
  for (auto [i, operand] : llvm::enumerate(operands.getAsRange<kernel::OperandAttr>())) {
    os << "operand " << kernel::stringifyOperandKind(operand.getKind()) << " " << operand.getType() << "\n";
    if (ranges) {
      auto range = cast<DenseF64ArrayAttr>(ranges[i]).asArrayRef();
      os << "range " << llvm::format("%.9e %.9e", range[0], range[1]) << "\n";
    }
  }
  for (auto type : results.getAsValueRange<TypeAttr>())
    os << "result " << type << "\n";
  for (const Parameter &parameter : emitted.parameters) {
    os << "parameter " << nameOfRole(parameter.role) << " " << parameter.index << " " << nameOfForm(parameter.form) << "\n";
    if (parameter.form == Form::TensorMap)
      os << "map " << parameter.map.elementBits << " " << parameter.map.rank << " " << parameter.map.boxColumns << " "
         << parameter.map.boxRows << " " << parameter.map.boxBlocks << " " << parameter.map.swizzle128 << "\n";
    if (const auto &packing = parameter.packing) {
      os << "packing " << packing->rows << " " << packing->columns << " " << packing->bits << " " << packing->bias << " "
         << packing->fill << " " << (packing->order == layout::Packing::Order::Blocked ? "blocked" : "pitched") << " "
         << packing->pitch << " ";
      printBasis(packing->tile.rowBasis, os);
      os << " ";
      printBasis(packing->tile.columnBasis, os);
      os << "\n";
    }
  }
  for (const KernelResources &kernel : assembled.kernels)
    if (kernel.symbol == emitted.symbol)
      os << "resources " << kernel.registers << " " << kernel.spillBytes << "\n";
  os << lines << "end\n";
  files.push_back({file, assembled.cubin});
}

FailureOr<bool> KernelFolder::add(Operation *op, kernel::ScheduleAttr schedule, StringRef symbol, StringRef lines) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(op->getLoc());
  auto emitted = emitKernel(op, schedule, *module, symbol);
  if (failed(emitted))
    return failure();
  auto ptx = compileToPtx(*module, emitted->arch);
  if (failed(ptx))
    return failure();
  auto assembled = assemble(*ptx, emitted->arch, op->getLoc());
  if (failed(assembled))
    return failure();
  for (const KernelResources &kernel : assembled->kernels)
    if (kernel.spillBytes || !assembled->warnings.empty()) {
      op->emitRemark() << schedule << " left out: " << kernel.spillBytes << " bytes spilled"
                       << (assembled->warnings.empty() ? "" : "; " + assembled->warnings.front());
      return false;
    }
  add(*emitted, op, schedule, *assembled, lines);
  return true;
}

LogicalResult KernelFolder::write(StringRef path, Location loc) const {
  std::string temporary = (path + ".part").str();
  llvm::sys::fs::remove_directories(temporary);
  auto fail = [&](const Twine &what, std::error_code error) {
    return emitError(loc) << "cannot write " << what.str() << ": " << error.message(), failure();
  };
  if (auto error = llvm::sys::fs::create_directories(temporary))
    return fail(temporary, error);
  auto writeFile = [&](StringRef name, StringRef bytes) -> LogicalResult {
    SmallString<128> file(temporary);
    llvm::sys::path::append(file, name);
    std::error_code error;
    llvm::raw_fd_ostream os(file, error);
    if (!error)
      os << bytes;
    os.close();
    if (error || os.has_error())
      return fail(file, error ? error : os.error());
    return success();
  };
  if (failed(writeFile("manifest.txt", manifest)))
    return failure();
  for (const auto &[name, bytes] : files)
    if (failed(writeFile(name, StringRef(reinterpret_cast<const char *>(bytes.data()), bytes.size()))))
      return failure();
  llvm::sys::fs::remove_directories(path);
  if (auto error = llvm::sys::fs::rename(temporary, path))
    return fail(path, error);
  return success();
}
