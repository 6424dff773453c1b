//===- GemmCase.cpp - random kernels for each template -----------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "GemmCase.h"
#include "lib/Numerics/Half.h"
#include "lib/Target/Nvptx/Schedules.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;
using kernel::GpuTemplate;

void bitwright::nvptx::loadDialects(MLIRContext &context) {
  context.loadDialect<kernel::KernelDialect, arith::ArithDialect, math::MathDialect, LLVM::LLVMDialect, NVVM::NVVMDialect,
                      scf::SCFDialect, vector::VectorDialect>();
}

namespace {

template <typename T> const T &pick(Random &random, const std::vector<T> &list) {
  return list[size_t(random.between(0, int64_t(list.size()) - 1))];
}
bool chance(Random &random, int percent) { return random.between(1, 100) <= percent; }

//===--- Segments ----------------------------------------------------------------------===//

struct Scheme {
  std::string name, segments;
  bool integer = true; ///< the accumulator
  int64_t k = 0;
  double deviation = 1; ///< of the accumulator
};

Scheme makeScheme(Random &random, GpuTemplate kind) {
  Scheme s;
  auto half = [&] { return std::string(chance(random, 50) ? "f16" : "bf16"); };
  auto sized = [&](int64_t unit, int64_t most) { return unit * random.between(1, std::max<int64_t>(1, most / unit)); };
  auto segment = [&](std::string lhs, std::string rhs, int64_t k, std::string grouping, int64_t group, std::string scale,
                     std::string place) {
    std::string text = "#kernel.segment<lhs = " + lhs + ", rhs = " + rhs + ", k = " + std::to_string(k);
    if (group)
      text += ", group = " + std::to_string(group);
    text += ", grouping = " + grouping;
    if (!scale.empty())
      text += ", scale = " + scale;
    return text + ", place = " + place + ">";
  };
  auto group = [&] { return pick(random, std::vector<int64_t>{32, 64, 128, 128}); };
  // Standard deviations of the data: s8 74, s4 4.6, floats in +-2 1.15, scales 0.08.
  auto deviate = [&](double lhs, double rhs) { s.deviation = std::sqrt(double(s.k)) * lhs * rhs; };
  auto w8a8 = [&] {
    s.name = "w8a8", s.k = sized(chance(random, 70) ? 128 : 16, 640);
    s.segments = segment("i8", "i8", s.k, "none", 0, "", "none");
    deviate(74, 74);
  };
  auto floats = [&] {
    std::string type = half();
    s.name = "w16a16_" + type, s.k = sized(chance(random, 70) ? 64 : 8, 320), s.integer = false;
    s.segments = segment(type, type, s.k, "none", 0, "", "none");
    deviate(1.15, 1.15);
  };
  auto w4a8 = [&] {
    s.name = "w4a8_channel", s.k = sized(chance(random, 70) ? 128 : 32, 640);
    s.segments = segment("i8", "i4", s.k, "none", 0, "", chance(random, 80) ? "epilogue" : "before_mma");
    deviate(74, 4.6);
  };
  auto twoLevel = [&] {
    int64_t g = group();
    s.name = "w4a8_two_level", s.k = sized(std::max<int64_t>(g, chance(random, 70) ? 128 : 32), 640);
    s.segments = segment("i8", "i4", s.k, "two_level", g, "", "before_mma");
    deviate(74, 60);
  };
  auto groups8 = [&] {
    int64_t g = group();
    bool zero = chance(random, 50);
    s.name = zero ? "w4a8_groups_zero_point" : "w4a8_groups", s.integer = false;
    s.k = sized(std::max<int64_t>(g, 128), 640);
    s.segments = segment("i8", "i4", s.k, zero ? "scale_zero_point" : "scale", g, chance(random, 50) ? "f16" : "f32", "partial_sums");
    deviate(74, 0.4);
  };
  auto w4a16 = [&](bool partial) {
    std::string type = half();
    s.integer = false;
    if (chance(random, 25)) {
      s.name = "w4a16_channel_" + type, s.k = sized(128, 512);
      s.segments = segment(type, "i4", s.k, "none", 0, "", "epilogue");
      return deviate(1.15, 4.6);
    }
    int64_t g = group();
    bool zero = chance(random, 50);
    s.name = std::string("w4a16_groups_") + (zero ? "zero_point_" : "") + (partial ? "partial_" : "") + type;
    s.k = sized(std::max<int64_t>(g, 128), 512);
    s.segments = segment(type, "i4", s.k, zero ? "scale_zero_point" : "scale", g, partial && chance(random, 30) ? "f32" : type,
                         partial ? "partial_sums" : "before_mma");
    deviate(1.15, 0.4);
  };
  auto w8a16 = [&] {
    std::string type = half();
    s.integer = false;
    if (chance(random, 70)) {
      s.name = "w8a16_" + type, s.k = sized(chance(random, 70) ? 64 : 32, 384);
      s.segments = segment(type, "i8", s.k, "none", 0, "", "epilogue");
      return deviate(1.15, 74);
    }
    int64_t g = group();
    s.name = "w8a16_groups_" + type, s.k = sized(std::max<int64_t>(g, 64), 384);
    s.segments = segment(type, "i8", s.k, chance(random, 50) ? "scale_zero_point" : "scale", g, type, "before_mma");
    deviate(1.15, 6);
  };
  auto w4a4 = [&] {
    s.name = "w4a4", s.k = sized(chance(random, 70) ? 128 : 32, 640);
    s.segments = segment("i4", "i4", s.k, "none", 0, "", "none");
    deviate(4.6, 4.6);
  };
  auto mixed = [&] {
    int64_t first = sized(64, 256), second = sized(64, 256);
    s.name = "w4a8_and_w8a8", s.k = first + second;
    s.segments = segment("i8", "i4", first, "none", 0, "", "epilogue") + ", " + segment("i8", "i8", second, "none", 0, "", "none");
    deviate(74, 50);
  };
  auto one = [&](std::vector<std::function<void()>> list) { pick(random, list)(); };
  switch (kind) {
  case GpuTemplate::WgmmaSs: one({w8a8, w8a8, w8a8, floats}); break;
  case GpuTemplate::Multistage:
    one({w8a8, w8a8, floats, w4a8, twoLevel, groups8, [&] { w4a16(false); }, w8a16, w4a4, mixed});
    break;
  case GpuTemplate::WgmmaRs: one({w4a8, twoLevel, twoLevel, [&] { w4a16(false); }, w8a16}); break;
  default: one({w4a8, twoLevel, groups8, groups8, [&] { w4a16(true); }, [&] { w4a16(true); }}); break;
  }
  return s;
}

//===--- Epilogues ------------------------------------------------------------------------===//

struct Epilogue {
  std::string name, operands, results, arguments, body;
  std::vector<std::function<uint64_t(Random &)>> values; ///< of each operand
};

uint64_t floatBits(const char *type, double value) {
  
  return StringRef(type) == "f16" ? numerics::halfFromFloat(float(value)) : StringRef(type) == "bf16" ? numerics::bfloat16FromFloat(float(value)) : numerics::floatBits(float(value));
}

Epilogue makeEpilogue(Random &random, const Scheme &scheme, bool evenN) {
  Epilogue e;
  unsigned next = 0;
  auto operand = [&](const std::string &kind, const std::string &type, std::function<uint64_t(Random &)> value) {
    std::string name = "%x" + std::to_string(next++);
    e.operands += (e.operands.empty() ? "" : ", ") + ("#kernel.operand<" + kind + ", " + type + ">");
    e.arguments += ", " + name + ": " + (kind == "table" ? "vector<256x" + type + ">" : type);
    e.values.push_back(std::move(value));
    return name;
  };
  auto add = [&](const std::string &line) { e.body += "  " + line + "\n"; };
  auto f32 = [](double low, double high) {
    return [=](Random &r) { return floatBits("f32", r.real(low, high)); };
  };
  int choice = int(random.between(0, scheme.integer ? 9 : 6));
  if (scheme.integer && choice == 9) {
    e.name = "raw";
    e.results = "i32";
    add("kernel.emit %acc : i32");
    return e;
  }
  if (scheme.integer && choice >= 7) { // dyadic: HU(acc * b, c) with one b a channel, and one c
    e.name = "dyadic";
    int shift = std::clamp(int(std::lround(31 + std::log2(scheme.deviation / 60))), 32, 55);
    std::string acc = "%acc";
    if (chance(random, 60)) {
      std::string bias = operand("column", "i32", [=](Random &r) { return uint64_t(r.between(-int64_t(scheme.deviation), int64_t(scheme.deviation))) & 0xffffffffu; });
      add("%biased = arith.addi %acc, " + bias + " : i32");
      acc = "%biased";
    }
    std::string b = operand(chance(random, 70) ? "column" : "scalar", "i32", [](Random &r) { return uint64_t(r.between(1 << 30, 0x7fffffff)); });
    add("%wide = arith.extsi " + acc + " : i32 to i64");
    add("%bw = arith.extsi " + b + " : i32 to i64");
    add("%p = arith.muli %wide, %bw : i64");
    add("%half = arith.constant " + std::to_string(int64_t(1) << (shift - 1)) + " : i64");
    add("%ph = arith.addi %p, %half : i64");
    add("%c = arith.constant " + std::to_string(shift) + " : i64");
    add("%q = arith.shrsi %ph, %c : i64");
    add("%z = arith.constant " + std::to_string(random.between(-20, 20)) + " : i64");
    add("%qz = arith.addi %q, %z : i64");
    bool four = evenN && chance(random, 15);
    add(std::string("%lo = arith.constant ") + (four ? "-8" : "-128") + " : i64");
    add(std::string("%hi = arith.constant ") + (four ? "7" : "127") + " : i64");
    add("%l = arith.maxsi %qz, %lo : i64");
    add("%h = arith.minsi %l, %hi : i64");
    if (four) {
      e.results = "i4";
      add("%t = arith.trunci %h : i64 to i4");
      add("kernel.emit %t : i4");
      return e;
    }
    if (chance(random, 50)) {
      e.results = "i8";
      add("%t = arith.trunci %h : i64 to i8");
    } else { // by way of i32, as clamps of codes are written
      add("%n = arith.trunci %h : i64 to i32");
      add("%lo32 = arith.constant -128 : i32");
      add("%hi32 = arith.constant 127 : i32");
      add("%l32 = arith.maxsi %n, %lo32 : i32");
      add("%h32 = arith.minsi %l32, %hi32 : i32");
      e.results = "i8";
      add("%t = arith.trunci %h32 : i32 to i8");
    }
    if (chance(random, 30)) {
      std::string table = operand("table", "i8", [](Random &r) { return uint64_t(r.between(0, 255)); });
      add("%te = arith.extsi %t : i8 to i32");
      add("%off = arith.constant 128 : i32");
      add("%index = arith.addi %te, %off : i32");
      add("%g = kernel.lookup " + table + "[%index] : vector<256xi8> -> i8");
      add("kernel.emit %g : i8");
      e.name = "dyadic_table";
      return e;
    }
    add("kernel.emit %t : i8");
    return e;
  }
  // Floats: y = acc * row * column + bias, of deviation 60.
  double unit = 60 / scheme.deviation;
  std::string y = "%acc";
  if (scheme.integer) {
    add("%f = arith.sitofp %acc : i32 to f32");
    y = "%f";
  }
  if (chance(random, 70)) {
    std::string row = operand("row", "f32", f32(0.5, 1.5));
    add("%fr = arith.mulf " + y + ", " + row + " : f32");
    y = "%fr";
  }
  std::string column = operand(chance(random, 80) ? "column" : "scalar", "f32", f32(0.5 * unit, 1.5 * unit));
  if (chance(random, 70)) {
    std::string bias = operand("column", "f32", f32(-30, 30));
    add("%y = math.fma " + y + ", " + column + ", " + bias + " : f32");
  } else {
    add("%y = arith.mulf " + y + ", " + column + " : f32");
  }
  y = "%y";
  auto halfOperand = [&](const char *kind) {
    const char *type = chance(random, 60) ? "f16" : chance(random, 50) ? "bf16" : "f32";
    std::string x = operand(kind, type, [=](Random &r) { return floatBits(type, r.real(-2, 2)); });
    if (StringRef(type) == "f32")
      return x;
    add(x + "e = arith.extf " + x + " : " + type + " to f32");
    return x + "e";
  };
  if (choice == 2) {
    e.name = "residual_";
    std::string x = halfOperand("element");
    add("%yr = arith.addf " + y + ", " + x + " : f32");
    y = "%yr";
  } else if (choice == 3) {
    e.name = "gate_";
    std::string x = halfOperand("element");
    add("%yg = arith.mulf " + y + ", " + x + " : f32");
    y = "%yg";
  } else if (choice == 4) {
    e.name = "relu_";
    add("%zero = arith.constant 0.0 : f32");
    add("%yr = arith.maximumf " + y + ", %zero : f32");
    y = "%yr";
  }
  if (choice == 5 || choice == 6 || chance(random, 25)) {
    add("%r = math.roundeven " + y + " : f32");
    add("%lo = arith.constant -128.0 : f32");
    add("%hi = arith.constant 127.0 : f32");
    add("%l = arith.maximumf %r, %lo : f32");
    add("%h = arith.minimumf %l, %hi : f32");
    if (choice == 6) {
      e.name += "table";
      const char *type = chance(random, 60) ? "i8" : "f16";
      // Monotone, as the reference's interval of a float accumulator wants it.
      auto index = std::make_shared<int>(0);
      std::string table = operand("table", type, [=](Random &) {
        double x = (*index)++ % 256 - 128.0, g = 100 * std::tanh(x / 50);
        return StringRef(type) == "i8" ? uint64_t(int64_t(std::lround(g))) & 255 : floatBits(type, g);
      });
      add("%i = arith.fptosi %h : f32 to i32");
      add("%off = arith.constant 128 : i32");
      add("%index = arith.addi %i, %off : i32");
      add("%g = kernel.lookup " + table + "[%index] : vector<256x" + type + "> -> " + std::string(type));
      add("kernel.emit %g : " + std::string(type));
      e.results = type;
      return e;
    }
    e.name += "quantize";
    add("%t = arith.fptosi %h : f32 to i8");
    if (chance(random, 15)) { // both: the codes and the value
      e.name += "_two_results";
      add("%v = arith.truncf " + y + " : f32 to f16");
      add("kernel.emit %t, %v : i8, f16");
      e.results = "i8, f16";
      return e;
    }
    add("kernel.emit %t : i8");
    e.results = "i8";
    return e;
  }
  std::string type = chance(random, 50) ? "f16" : chance(random, 50) ? "bf16" : "f32";
  e.name += type;
  e.results = type;
  if (type == "f32") {
    add("kernel.emit " + y + " : f32");
    return e;
  }
  add("%out = arith.truncf " + y + " : f32 to " + type);
  add("kernel.emit %out : " + type);
  return e;
}

//===--- Rows --------------------------------------------------------------------------------===//

/// Elementwise kernels and per-token quantizers: the body reads elements, then goes on as an epilogue does.
std::string makeRows(Random &random, std::string &name, int64_t n, Epilogue &e) {
  unsigned next = 0;
  auto operand = [&](const std::string &kind, const std::string &type, std::function<uint64_t(Random &)> value) {
    std::string text = "%x" + std::to_string(next++);
    e.operands += (e.operands.empty() ? "" : ", ") + ("#kernel.operand<" + kind + ", " + type + ">");
    e.arguments += (e.arguments.empty() ? "" : ", ") + text + ": " + (kind == "table" ? "vector<256x" + type + ">" : type);
    e.values.push_back(std::move(value));
    return text;
  };
  auto add = [&](const std::string &line) { e.body += "  " + line + "\n"; };
  auto element = [&](const char *kind) {
    const char *type = pick(random, std::vector<const char *>{"f32", "f16", "bf16"});
    std::string x = operand(kind, type, [=](Random &r) { return floatBits(type, chance(r, 2) ? 0.0 : r.real(-4, 4)); });
    if (StringRef(type) == "f32")
      return x;
    add(x + "e = arith.extf " + x + " : " + type + " to f32");
    return x + "e";
  };
  bool quantize = chance(random, 50);
  std::string y;
  if (!quantize && chance(random, 25)) { // codes through a table
    name = "table";
    std::string x = operand("element", "i8", [](Random &r) { return uint64_t(r.between(0, 255)); });
    std::string table = operand("table", "i8", [](Random &r) { return uint64_t(r.between(0, 255)); });
    add("%e = arith.extsi " + x + " : i8 to i32");
    add("%off = arith.constant 128 : i32");
    add("%index = arith.addi %e, %off : i32");
    add("%g = kernel.lookup " + table + "[%index] : vector<256xi8> -> i8");
    add("kernel.emit %g : i8");
    e.results = "i8";
  } else {
    y = element("element");
    name = "elementwise";
    if (chance(random, 40)) {
      std::string other = element(pick(random, std::vector<const char *>{"element", "column", "row", "scalar"}));
      add("%sum = arith." + std::string(chance(random, 50) ? "addf " : "mulf ") + y + ", " + other + " : f32");
      y = "%sum";
    }
    if (chance(random, 30)) {
      add("%zero = arith.constant 0.0 : f32");
      add("%relu = arith.maximumf " + y + ", %zero : f32");
      y = "%relu";
    }
    if (quantize) {
      name = "quantize";
      add("kernel.emit " + y + " : f32");
      e.results = "i8";
    } else if (chance(random, 50)) {
      std::string scale = operand("scalar", "f32", [](Random &r) { return floatBits("f32", r.real(0.01, 0.1)); });
      name = "static_quantize";
      add("%d = arith.divf " + y + ", " + scale + " : f32");
      add("%r = math.roundeven %d : f32");
      add("%lo = arith.constant -128.0 : f32");
      add("%hi = arith.constant 127.0 : f32");
      add("%l = arith.maximumf %r, %lo : f32");
      add("%h = arith.minimumf %l, %hi : f32");
      add("%t = arith.fptosi %h : f32 to i8");
      add("kernel.emit %t : i8");
      e.results = "i8";
    } else {
      add("%out = arith.truncf " + y + " : f32 to f16");
      add("kernel.emit %out : f16");
      e.results = "f16";
    }
  }
  return "kernel.rows @case n " + std::to_string(n) + " operands [" + e.operands + "] results [" + e.results + "]" +
         (quantize ? " quantize" : "") + " {\n^bb0(" + e.arguments + "):\n" + e.body + "}\n";
}

//===--- Schedules ---------------------------------------------------------------------------===//

ScheduleFields smallSchedule(Random &random, GpuTemplate kind, unsigned lhsBits) {
  ScheduleFields f;
  f.kind = kind;
  auto of = [&](std::vector<int64_t> list) { return pick(random, list); };
  switch (kind) {
  case GpuTemplate::WgmmaSs:
    f.tileM = of({64, 64, 128, 128});
    f.tileN = of({16, 32, 64, 96, 128, 192, 256});
    f.tileK = 1024 / lhsBits;
    f.stages = of({2, 3, 4});
    f.warpsM = of({0, 0, f.tileM / 64});
    f.splitK = of({1, 1, 1, 2});
    f.cluster = f.splitK == 2 ? 2 : 1;
    f.tokenRows = chance(random, 25) ? of({8, 16, 32, 64}) : 0;
    f.mHi = f.tokenRows;
    f.raster = of({0, 0, 1, 2, 8});
    break;
  case GpuTemplate::Multistage:
    f.tileM = of({16, 32, 64, 128});
    f.tileN = of({32, 64, 128, 256});
    f.tileK = of({32, 64, 128});
    f.stages = of({2, 3, 4, 5});
    f.warpsM = of({1, 1, 2, 4});
    f.warpsN = of({1, 2, 4});
    f.raster = of({0, 0, 2, 8});
    break;
  case GpuTemplate::WgmmaRs:
    f.tileM = of({8, 16, 32, 64, 128, 256});
    f.tileN = of({64, 128, 256});
    f.tileK = of({64, 128});
    f.stages = of({2, 3, 4, 6});
    f.warpsN = of({0, 1, 2, 4});
    f.raster = of({0, 0, 2});
    f.tokenRows = 0;
    break;
  case GpuTemplate::Decode:
    f.tileM = of({8, 16, 32, 64});
    f.mHi = f.tileM;
    f.warpsM = of({1, 2, 3, 4});
    f.warpsK = of({1, 2, 3, 4});
    f.splitK = of({1, 1, 2});
    f.cluster = f.splitK;
    f.inFlight = of({1, 2});
    f.chunk = of({0, 0, 128, 256, 512});
    f.stages = of({0, 1, 2, 4});
    break;
  case GpuTemplate::Rows:
    break;
  }
  f.pdl = chance(random, 30);
  return f;
}

Schedules propose(GpuTemplate kind, Operation *op, Arch arch, bool candidates) {
  switch (kind) {
  case GpuTemplate::Multistage: return proposeMultistage(op, arch, candidates);
  case GpuTemplate::WgmmaSs: return proposeWgmmaSs(op, arch, candidates);
  case GpuTemplate::WgmmaRs: return proposeWgmmaRs(op, arch, candidates);
  case GpuTemplate::Decode: return proposeDecode(op, arch, candidates);
  case GpuTemplate::Rows: return proposeRows(op, arch, candidates);
  }
  return {};
}

} // namespace

std::string GemmCase::describe() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << "M = " << options.m << ", seed " << options.seed << ", " << options.residentCtas << " resident CTAs\n";
  if (schedule)
    op->setAttr("schedules", ArrayAttr::get(op->getContext(), {schedule}));
  op->print(stream);
  return text;
}

GemmCase bitwright::nvptx::makeCase(MLIRContext &context, uint64_t seed, GpuTemplate kind, Arch arch) {
  Random random(seed * 7919 + uint64_t(kind) * 31 + uint64_t(arch));
  GemmCase result;
  int64_t n = chance(random, 40) ? random.between(1, 40) * 8 : random.between(1, 330);
  std::string text;
  Epilogue e;
  unsigned lhsBits = 8;
  if (kind == GpuTemplate::Rows) {
    n = chance(random, 50) ? random.between(1, 64) * 16 : random.between(1, 700);
    if (chance(random, 10))
      n *= 7;
    text = makeRows(random, result.name, n, e);
  } else {
    Scheme scheme = makeScheme(random, kind);
    e = makeEpilogue(random, scheme, n % 2 == 0);
    lhsBits = scheme.segments.find("lhs = i") == std::string::npos ? 16 : 8;
    result.name = scheme.name + " " + e.name;
    text = "kernel.gemm @case n " + std::to_string(n) + " segments [" + scheme.segments + "] operands [" + e.operands +
           "] results [" + e.results + "] {\n^bb0(%acc: " + (scheme.integer ? "i32" : "f32") + e.arguments + "):\n" + e.body + "}\n";
  }
  result.module = parseSourceString<ModuleOp>(text, &context);
  if (!result.module) {
    result.refused = "the case does not parse:\n" + text;
    return result;
  }
  result.op = &result.module->getBody()->front();
  Schedules found;
  if (kind == GpuTemplate::Rows || chance(random, 35))
    found = propose(kind, result.op, arch, chance(random, 70));
  llvm::erase_if(found, [&](kernel::ScheduleAttr s) { return s.getKind() != kind || !supports(result.op, s).empty(); });
  for (int i = 0; i < 40 && found.empty(); ++i) {
    ScheduleFields fields = smallSchedule(random, kind, lhsBits);
    if (arch == Arch::Sm80)
      fields.pdl = false;
    kernel::ScheduleAttr s = fields.get(&context, arch);
    std::string refused = supports(result.op, s);
    if (refused.empty())
      found.push_back(s);
    else if (result.refused.empty())
      result.refused = refused;
  }
  if (found.empty())
    return result;
  result.schedule = found[size_t(random.between(0, int64_t(found.size()) - 1))];
  static const std::vector<int64_t> rows = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 127, 128, 129, 150, 193, 257};
  int64_t low = result.schedule.getMLo(), high = result.schedule.getMHi() ? result.schedule.getMHi() : 260;
  std::vector<int64_t> fitting;
  for (int64_t m : rows)
    if (m >= low && m <= high)
      fitting.push_back(m);
  result.options.m = fitting.empty() ? low : pick(random, fitting);
  result.options.seed = seed;
  result.options.residentCtas = unsigned(random.between(1, 4));
  result.options.operand = [values = e.values](unsigned i, Random &r) { return values[i](r); };
  return result;
}
