//===- LaunchFacts.cpp - what a launch of a GPU kernel needs -----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Lower/LowerKernelsToNvvm/LaunchFacts.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::nvptx;

// The names of roles, forms and orders, by number.
static constexpr llvm::StringLiteral roles[] = {"lhs",    "rhs", "group_scale", "group_zero_point", "operand",
                                                "result", "m"};
static constexpr llvm::StringLiteral forms[] = {"pointer", "tensor_map", "int32"};
static constexpr llvm::StringLiteral orders[] = {"blocked", "pitched"};

namespace {
/// Writes a dictionary field by field.
struct Fields {
  explicit Fields(MLIRContext *context) : builder(context) {}
  void set(StringRef name, int64_t value) {
    list.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
  }
  void set(StringRef name, StringRef value) {
    list.push_back(builder.getNamedAttr(name, builder.getStringAttr(value)));
  }
  void set(StringRef name, Attribute value) { list.push_back(builder.getNamedAttr(name, value)); }
  void flag(StringRef name, bool value) {
    if (value)
      set(name, Attribute(builder.getUnitAttr()));
  }
  DictionaryAttr get() { return builder.getDictionaryAttr(list); }
  Builder builder;
  SmallVector<NamedAttribute> list;
};

/// Reads one; `ok` is false once something is missing.
struct Reader {
  Reader(Attribute attribute) : dictionary(dyn_cast_or_null<DictionaryAttr>(attribute)) { ok = bool(dictionary); }
  template <typename T> T get(StringRef name) {
    T attr = ok ? dictionary.getAs<T>(name) : T();
    ok = ok && attr;
    return attr;
  }
  int64_t number(StringRef name) {
    auto attr = get<IntegerAttr>(name);
    return attr ? attr.getInt() : 0;
  }
  template <size_t N> unsigned word(StringRef name, const llvm::StringLiteral (&words)[N]) {
    auto attr = get<StringAttr>(name);
    for (unsigned i = 0; attr && i < N; ++i)
      if (words[i] == attr.getValue())
        return i;
    ok = false;
    return 0;
  }
  bool has(StringRef name) { return ok && dictionary.contains(name); }
  DictionaryAttr dictionary;
  bool ok;
};
} // namespace

static Attribute packingAttribute(const layout::Packing &packing, MLIRContext *context) {
  Fields f(context);
  f.set("rows", packing.rows);
  f.set("columns", packing.columns);
  f.set("bits", packing.bits);
  f.set("bias", packing.bias);
  f.set("fill", packing.fill);
  f.set("order", orders[unsigned(packing.order)]);
  f.set("pitch", packing.pitch);
  auto basis = [&](const std::vector<uint32_t> &values) {
    return Attribute(f.builder.getDenseI64ArrayAttr(SmallVector<int64_t>(values.begin(), values.end())));
  };
  f.set("row_basis", basis(packing.tile.rowBasis));
  f.set("column_basis", basis(packing.tile.columnBasis));
  return f.get();
}

DictionaryAttr bitwright::toAttribute(const LaunchFacts &facts, MLIRContext *context) {
  const EmittedKernel &kernel = facts.kernel;
  Fields f(context);
  f.set("symbol", kernel.symbol);
  f.set("arch", nameOf(kernel.arch));
  f.set("m_lo", facts.mLo);
  f.set("m_hi", facts.mHi);
  f.set("threads", kernel.threads);
  f.set("shared", kernel.sharedBytes);
  f.set("cluster", kernel.cluster);
  f.flag("pdl", kernel.pdl);
  f.flag("persistent", kernel.persistent);
  f.set("grid", Attribute(AffineMapAttr::get(AffineMap::get(1, 0, {kernel.gridX, kernel.gridY}, context))));
  SmallVector<Attribute> parameters;
  for (const Parameter &parameter : kernel.parameters) {
    Fields p(context);
    p.set("role", roles[unsigned(parameter.role)]);
    p.set("index", parameter.index);
    p.set("form", forms[unsigned(parameter.form)]);
    if (parameter.form == Form::TensorMap) {
      const TensorMap &map = parameter.map;
      p.set("map", Attribute(f.builder.getDenseI64ArrayAttr(
                       {map.elementBits, map.rank, map.boxColumns, map.boxRows, map.boxBlocks, map.swizzle128})));
    }
    if (parameter.packing)
      p.set("packing", packingAttribute(*parameter.packing, context));
    parameters.push_back(p.get());
  }
  f.set("parameters", Attribute(f.builder.getArrayAttr(parameters)));
  return f.get();
}

static bool readPacking(Attribute attribute, layout::Packing &packing) {
  Reader r(attribute);
  packing.rows = r.number("rows");
  packing.columns = r.number("columns");
  packing.bits = unsigned(r.number("bits"));
  packing.bias = r.number("bias");
  packing.fill = r.number("fill");
  packing.order = layout::Packing::Order(r.word("order", orders));
  packing.pitch = r.number("pitch");
  auto rows = r.get<DenseI64ArrayAttr>("row_basis"), columns = r.get<DenseI64ArrayAttr>("column_basis");
  if (!r.ok)
    return false;
  packing.tile.rowBasis.assign(rows.asArrayRef().begin(), rows.asArrayRef().end());
  packing.tile.columnBasis.assign(columns.asArrayRef().begin(), columns.asArrayRef().end());
  return true;
}

std::optional<LaunchFacts> bitwright::toLaunchFacts(Attribute attribute) {
  Reader r(attribute);
  LaunchFacts facts;
  EmittedKernel &kernel = facts.kernel;
  auto symbol = r.get<StringAttr>("symbol"), archName = r.get<StringAttr>("arch");
  auto grid = r.get<AffineMapAttr>("grid");
  auto parameters = r.get<ArrayAttr>("parameters");
  facts.mLo = r.number("m_lo");
  facts.mHi = r.number("m_hi");
  kernel.threads = unsigned(r.number("threads"));
  kernel.sharedBytes = unsigned(r.number("shared"));
  kernel.cluster = unsigned(r.number("cluster"));
  kernel.pdl = r.has("pdl");
  kernel.persistent = r.has("persistent");
  auto arch = r.ok ? parseArch(archName.getValue()) : std::nullopt;
  if (!arch || grid.getValue().getNumResults() != 2)
    return std::nullopt;
  kernel.symbol = symbol.str();
  kernel.arch = *arch;
  kernel.gridX = grid.getValue().getResult(0);
  kernel.gridY = grid.getValue().getResult(1);
  for (Attribute attr : parameters) {
    Reader p(attr);
    Parameter parameter;
    parameter.role = Role(p.word("role", roles));
    parameter.index = unsigned(p.number("index"));
    parameter.form = Form(p.word("form", forms));
    if (parameter.form == Form::TensorMap) {
      auto map = p.get<DenseI64ArrayAttr>("map");
      if (!map || map.size() != 6)
        return std::nullopt;
      parameter.map = {unsigned(map[0]), unsigned(map[1]), unsigned(map[2]),
                       unsigned(map[3]), unsigned(map[4]), map[5] != 0};
    }
    if (p.has("packing") && !readPacking(p.get<DictionaryAttr>("packing"), parameter.packing.emplace()))
      return std::nullopt;
    if (!p.ok)
      return std::nullopt;
    kernel.parameters.push_back(parameter);
  }
  return facts;
}
