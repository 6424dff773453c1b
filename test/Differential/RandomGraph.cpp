//===- RandomGraph.cpp - small integer graphs from a seed ------------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "test/Differential/RandomGraph.h"
#include "dialects/Dyadic/Dyadic.h"
#include "lib/Numerics/Integer.h"
#include "lib/Weights/WeightStore.h"
#include <random>

using namespace mlir;
using namespace bitwright;

namespace {

class Generator {
public:
  Generator(uint64_t seed, MLIRContext *context)
      : seed(seed), random(seed), builder(context), context(context), shapes(2) {}

  OwningOpRef<ModuleOp> run(unsigned steps, ArrayRef<unsigned> skip) {
    context->loadDialect<func::FuncDialect, qnn::QnnDialect, dyadic::DyadicDialect>();
    OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
    builder.setInsertionPointToEnd(module->getBody());
    bool dynamic = pick(2);
    if (dynamic)
      symbols = {{"N", 1, 3, 1}, {"W", 5, 19, 1}};
    AffineExpr n = getAffineSymbolExpr(0, context), w = getAffineSymbolExpr(1, context);
    SymbolicShape shape = {dynamic ? n : constant(1), constant(1 + pick(40)), constant(4 + pick(8)),
                           dynamic ? w : constant(5 + pick(14))};
    wide = seed % 3 == 0;
    auto type = typeOf(shape, codeType());
    auto func = func::FuncOp::create(builder, builder.getUnknownLoc(), "main", builder.getFunctionType({type}, {}));
    setSymbols(func, symbols);
    func.setArgAttr(0, "qnn.name", builder.getStringAttr("x"));
    func.setArgAttr(0, "qnn.dims", shapeAttr(shape, symbols.size(), context));
    builder.setInsertionPointToStart(func.addEntryBlock());
    shapes.set(func.getArgument(0), shape);
    values.push_back(func.getArgument(0));
    for (unsigned i = 0; i < steps; ++i) {
      // Each step draws from a stream of its own, so that leaving one out does not change the others' choices.
      random.seed(seed * 1000003 + i);
      step = i;
      if (!llvm::is_contained(skip, i))
        addStep();
    }
    Value last = values.back();
    if (values.size() == 1)
      last = emit<qnn::MaxPoolOp>(type.getElementType(), last, i64s({1, 1}), i64s({1, 1}), i64s({0, 0, 0, 0}),
                                  i64s({1, 1}), builder.getBoolAttr(false));
    func::ReturnOp::create(builder, builder.getUnknownLoc(), last);
    func.setType(builder.getFunctionType({type}, {last.getType()}));
    func.setResultAttr(0, "qnn.name", builder.getStringAttr("y"));
    return module;
  }

private:
  int64_t pick(int64_t n) { return int64_t(random() % uint64_t(n)); }
  AffineExpr constant(int64_t value) { return getAffineConstantExpr(value, context); }
  DenseI64ArrayAttr i64s(ArrayRef<int64_t> list) { return builder.getDenseI64ArrayAttr(list); }
  IntegerAttr i32(int64_t value) { return builder.getI32IntegerAttr(value); }

  template <typename Op, typename... Args> Value emit(Type element, Args &&...args) {
    auto op =
        Op::create(builder, builder.getUnknownLoc(), RankedTensorType::get({}, element), std::forward<Args>(args)...);
    setName(op, "s" + std::to_string(step) + "." + std::to_string(count++));
    if (failed(shapes.visit(op, /*refineTypes=*/true)))
      llvm::report_fatal_error("the generator made an illegal operation");
    return op->getResult(0);
  }

  Value weight(ArrayRef<int64_t> shape, unsigned bits, int64_t lo, int64_t hi) {
    auto type = RankedTensorType::get(shape, builder.getIntegerType(bits));
    WeightStore &store = getWeightStore(context);
    std::string name = store.uniqueName("random");
    std::vector<int32_t> numbers(type.getNumElements());
    for (int32_t &number : numbers)
      number = lo + pick(hi - lo + 1);
    if (bits == 4) {
      std::vector<uint8_t> packed((numbers.size() + 1) / 2);
      for (size_t i = 0; i < numbers.size(); ++i)
        packed[i / 2] |= uint8_t((numbers[i] & 15) << (4 * (i % 2)));
      store.set(name, WeightData::copyOf<uint8_t>(type, packed));
    } else if (bits == 16)
      store.set(name, WeightData::copyOf<int16_t>(type, std::vector<int16_t>(numbers.begin(), numbers.end())));
    else if (bits == 8)
      store.set(name, WeightData::copyOf<int8_t>(type, std::vector<int8_t>(numbers.begin(), numbers.end())));
    else
      store.set(name, WeightData::copyOf<int32_t>(type, numbers));
    auto op = qnn::WeightOp::create(builder, builder.getUnknownLoc(), type, name);
    (void)shapes.visit(op);
    return op;
  }

  dyadic::Rounding rounding() { return pick(3) ? dyadic::Rounding::HalfUp : dyadic::Rounding(pick(7)); }

  /// Codes of a result: 8 bits, in a wide graph 16 as often.
  Type codeType() { return wide && pick(2) ? builder.getI16Type() : builder.getI8Type(); }
  static bool isWide(Type element) { return element.isInteger(16); }
  static bool isWide(Value value) { return isWide(cast<RankedTensorType>(value.getType()).getElementType()); }

  DenseI32ArrayAttr clamp(int64_t zeroPoint, Type element) {
    int32_t high = isWide(element) ? 32767 : 127;
    switch (pick(3)) {
    case 0:
      return builder.getDenseI32ArrayAttr({int32_t(zeroPoint), high});
    case 1:
      return builder.getDenseI32ArrayAttr(
          {int32_t(zeroPoint), int32_t(std::min<int64_t>(high, zeroPoint + (isWide(element) ? 23000 : 90)))});
    default:
      return builder.getDenseI32ArrayAttr({-high - 1, high});
    }
  }

  static void encode(double real, int32_t &multiplier, int8_t &shift) {
    numerics::Multiplier encoded;
    if (numerics::encodeMultiplier(real, 31, encoded) != numerics::EncodeStatus::Ok)
      llvm::report_fatal_error("the generator drew an illegal multiplier");
    multiplier = encoded.value;
    shift = encoded.shift;
  }

  /// A multiplier of roughly 2^-bits.
  void draw(int64_t bits, int32_t &multiplier, int8_t &shift) {
    encode(std::ldexp(0.5 + 0.5 * double(pick(1 << 20)) / (1 << 20), int(-bits)), multiplier, shift);
  }

  /// i32 -> codes with one multiplier or one a slice of `axis`; `bits` of the sum more than a byte's.
  Value rescale(Value accumulator, int64_t bits, std::optional<int64_t> axis) {
    Type element = codeType();
    if (isWide(element))
      bits -= 8;
    int64_t slices = axis ? *constantOf(shapes.get(accumulator)[*axis]) : 1;
    SmallVector<int32_t> multipliers(slices);
    SmallVector<int8_t> shifts(slices);
    for (int64_t i = 0; i < slices; ++i)
      draw(bits + pick(2), multipliers[i], shifts[i]);
    int64_t zeroPoint = pick(41) - 20;
    return emit<dyadic::RescaleOp>(element, accumulator, builder.getDenseI32ArrayAttr(multipliers),
                                   builder.getDenseI8ArrayAttr(shifts), builder.getI64IntegerAttr(31),
                                   dyadic::RoundingAttr::get(context, rounding()), i32(0), i32(zeroPoint),
                                   clamp(zeroPoint, element), axis ? builder.getI64IntegerAttr(*axis) : IntegerAttr());
  }

  /// log2 of the typical accumulator over K products of codes, minus that of a code.
  static int64_t typicalBits(int64_t k) { return 7 + llvm::Log2_64_Ceil(k) / 2; }

  bool fits(Value input, int64_t extent) {
    for (int i : {2, 3})
      if (rangeOf(shapes.get(input)[i], symbols).first < extent)
        return false;
    return true;
  }

  void addStep() {
    Value input = values[pick(values.size())];
    const SymbolicShape shape = shapes.get(input);
    int64_t channels = *constantOf(shape[1]);
    Type element = cast<RankedTensorType>(input.getType()).getElementType();
    switch (pick(14)) {
    case 0:
    case 1:
    case 2:
      return addConvolution(input, channels, /*depthwise=*/false);
    case 3:
      return addConvolution(input, channels, /*depthwise=*/true);
    case 4:
    case 5: { // E1 / E3 with any value that broadcasts
      Value other = values[pick(values.size())];
      SymbolicShape result;
      if (!broadcastShapes({shape, shapes.get(other)}, result).empty())
        return;
      int64_t zeroPoint = pick(21) - 10;
      Type result16 = codeType();
      int64_t more = 8 * (isWide(input) + isWide(other));
      if (pick(2)) {
        int32_t a, b;
        int8_t shift, unused;
        int64_t bits = 1 + (more && !isWide(result16) ? 8 : 0);
        draw(bits, a, shift);
        draw(bits, b, unused);
        values.push_back(emit<dyadic::AddOp>(
            result16, input, other, i32(pick(21) - 10), i32(pick(21) - 10), i32(a >> 1), i32(b >> 1),
            builder.getI8IntegerAttr(shift),
            dyadic::RoundingAttr::get(context, pick(2) ? dyadic::Rounding::HalfUp : dyadic::Rounding::HalfEven),
            i32(zeroPoint), clamp(zeroPoint, result16)));
      } else {
        int32_t multiplier;
        int8_t shift;
        draw(std::max<int64_t>(5 + more - (isWide(result16) ? 8 : 0), 0), multiplier, shift);
        int64_t left = pick(21) - 10, right = pick(21) - 10; // E3: 16-bit factors have none
        values.push_back(emit<dyadic::MulOp>(
            result16, input, other, i32(isWide(input) ? 0 : left), i32(isWide(other) ? 0 : right), i32(multiplier),
            builder.getI8IntegerAttr(shift), builder.getI64IntegerAttr(31),
            dyadic::RoundingAttr::get(context, rounding()), i32(zeroPoint), clamp(zeroPoint, result16)));
      }
      return;
    }
    case 6: {
      if (isWide(input))
        return;
      SmallVector<int8_t> table(256);
      for (int8_t &entry : table)
        entry = int8_t(pick(256));
      values.push_back(emit<dyadic::LookupOp>(element, input, builder.getDenseI8ArrayAttr(table)));
      return;
    }
    case 7: {
      int64_t k = 1 + pick(3), s = 1 + pick(2), p = pick(k);
      if (!fits(input, k))
        return;
      values.push_back(emit<qnn::MaxPoolOp>(element, input, i64s({k, k}), i64s({s, s}), i64s({p, 0, p, p}),
                                            i64s({1, 1}), builder.getBoolAttr(false)));
      return;
    }
    case 8: {
      int64_t k = 2 + pick(2), s = 1 + pick(2), p = pick(2);
      if (!fits(input, k))
        return;
      SmallVector<int32_t> multipliers(k * k);
      SmallVector<int8_t> shifts(k * k);
      for (int64_t i = 0; i < k * k; ++i)
        encode(0.9 / double(i + 1), multipliers[i], shifts[i]);
      values.push_back(
          emit<dyadic::AvgPoolOp>(element, input, i64s({k, k}), i64s({s, s}), i64s({p, p, p, p}), i64s({1, 1}),
                                  builder.getBoolAttr(false), builder.getBoolAttr(pick(2) == 1), i32(pick(21) - 10),
                                  builder.getDenseI32ArrayAttr(multipliers), builder.getDenseI8ArrayAttr(shifts),
                                  dyadic::RoundingAttr::get(context, dyadic::Rounding::HalfUp), i32(pick(21) - 10),
                                  builder.getDenseI32ArrayAttr(isWide(input) ? ArrayRef<int32_t>{-32768, 32767}
                                                                             : ArrayRef<int32_t>{-128, 127})));
      return;
    }
    case 9: { // squeeze: mean over space
      Value sum = emit<dyadic::ReduceSumOp>(builder.getI32Type(), input, i64s({2, 3}), builder.getBoolAttr(true),
                                            i32(pick(21) - 10));
      values.push_back(rescale(sum, isWide(input) ? 12 : 4, std::nullopt));
      return;
    }
    case 10: {
      Value other = values[pick(values.size())];
      SymbolicShape otherShape = shapes.get(other);
      if (otherShape[0] != shape[0] || otherShape[2] != shape[2] || otherShape[3] != shape[3] ||
          channels + *constantOf(otherShape[1]) > 128 || isWide(input) != isWide(other))
        return;
      values.push_back(emit<qnn::ConcatOp>(element, ValueRange{input, other}, builder.getI64IntegerAttr(1)));
      return;
    }
    case 11: // a product over channels, through a transpose and back
      return addLinear(input, channels);
    case 12: { // a float island
      auto floatType = RankedTensorType::get({}, builder.getF32Type()),
           zeroType = RankedTensorType::get({}, builder.getI8Type());
      auto scale = qnn::ConstantOp::create(builder, builder.getUnknownLoc(), floatType,
                                           DenseElementsAttr::get(floatType, isWide(input) ? 0.00012f : 0.031f));
      auto zero = qnn::ConstantOp::create(builder, builder.getUnknownLoc(), zeroType,
                                          DenseElementsAttr::get(zeroType, int8_t(3)));
      (void)shapes.visit(scale);
      (void)shapes.visit(zero);
      auto scheme = qnn::SchemeAttr::get(context, isWide(input) ? "s16" : "s8");
      Value x = emit<qnn::DequantizeOp>(builder.getF32Type(), input, scale, zero, scheme);
      Value y = pick(2) ? emit<qnn::SigmoidOp>(builder.getF32Type(), x)
                        : emit<qnn::SoftmaxOp>(builder.getF32Type(), x, builder.getI64IntegerAttr(1));
      // Codes of 16 bits, or of as many of them as a scheme names.
      Type result16 = codeType();
      const char *formats[] = {"s16", "s13", "s10"};
      values.push_back(emit<qnn::QuantizeOp>(
          result16, y, scale, zero, qnn::SchemeAttr::get(context, isWide(result16) ? formats[pick(3)] : "s8")));
      return;
    }
    default: { // data movement
      int64_t low = pick(2), high = pick(3);
      if (pick(2))
        values.push_back(emit<qnn::PadOp>(element, input, i64s({0, 0, low, high}), i64s({0, 0, high, low}),
                                          qnn::PadModeAttr::get(context, qnn::PadMode::Constant),
                                          builder.getF64FloatAttr(double(pick(41) - 20))));
      else if (fits(input, 2)) {
        SymbolicShape starts = {constant(0), constant(0), constant(low), constant(0)}, result(shape);
        result[2] = constant(*constantOf(shape[2]) - low);
        values.push_back(emit<qnn::SliceOp>(element, input, shapeAttr(starts, symbols.size(), context),
                                            shapeAttr(result, symbols.size(), context), i64s({1, 1, 1, 1})));
      }
      return;
    }
    }
  }

  /// A linear layer on weights of 8 or 4 bits, two-level groups (R16) or float groups; codes in and out, or codes with
  /// a scale a token and floats behind.
  void addLinear(Value input, int64_t channels) {
    auto element = builder.getI8Type();
    auto f32 = builder.getF32Type();
    int64_t outputs = 1 + pick(40), form = pick(channels % 8 ? 2 : 4), zero = pick(41) - 20;
    Value last = emit<qnn::TransposeOp>(cast<RankedTensorType>(input.getType()).getElementType(), input,
                                        i64s({0, 2, 3, 1})),
          rowScale;
    bool perToken = pick(2);
    if (isWide(input)) {
      Value sum = emit<dyadic::LinearOp>(builder.getI32Type(), last, weightFor(input, {outputs, channels}, channels),
                                         weight({outputs}, 32, -2000, 2000), i32(zero));
      Value result = rescale(sum, typicalBits(channels) + 8, 3);
      values.push_back(emit<qnn::TransposeOp>(cast<RankedTensorType>(result.getType()).getElementType(), result,
                                              i64s({0, 3, 1, 2})));
      return;
    }
    if (perToken) {
      Value x = emit<qnn::DequantizeOp>(f32, last, floatConstant(0.02f), Value(), qnn::SchemeAttr::get(context, "s8"));
      auto scheme = qnn::SchemeAttr::get(context, "s8", qnn::Granularity::PerToken, -1, 0);
      auto scalar = [&](Type type) { return RankedTensorType::get({}, type); };
      auto quantize =
          qnn::QuantizeDynamicOp::create(builder, builder.getUnknownLoc(), scalar(element), scalar(f32), x, scheme);
      setName(quantize, "s" + std::to_string(step) + "." + std::to_string(count++));
      if (failed(shapes.visit(quantize, /*refineTypes=*/true)))
        llvm::report_fatal_error("the generator made an illegal operation");
      last = quantize.getOutput();
      rowScale = quantize.getScale();
      zero = 0;
    }
    int64_t group = 8, groups = channels / group;
    auto groupAttr = builder.getI64IntegerAttr(group);
    Value sum, real;
    switch (form) {
    case 0:
    case 1:
      sum = emit<dyadic::LinearOp>(builder.getI32Type(), last,
                                   form ? weight({outputs, channels}, 4, -8, 7)
                                        : weight({outputs, channels}, 8, -127, 127),
                                   perToken ? Value() : weight({outputs}, 32, -2000, 2000), i32(zero));
      break;
    case 2: // code * S + m with S <= 7 and m in [-100, 20] never leaves [-127, 127]
      sum =
          emit<dyadic::LinearTwoLevelOp>(builder.getI32Type(), last, weight({outputs, channels}, 4, -8, 7),
                                         weight({outputs, groups}, 8, 1, 7), weight({outputs, groups}, 16, -100, 20),
                                         perToken ? Value() : weight({outputs}, 32, -2000, 2000), groupAttr, i32(zero));
      break;
    default: {
      Value zeros = pick(2) ? weight({outputs, groups}, 8, -8, 7) : Value();
      Value partial = emit<dyadic::LinearGroupsOp>(builder.getI32Type(), last, weight({outputs, channels}, 4, -8, 7),
                                                   zeros, groupAttr, i32(zero));
      real = emit<qnn::CombineGroupsOp>(f32, partial, floatWeight({outputs, groups}));
      if (rowScale)
        real = emit<qnn::MulOp>(f32, real, rowScale);
    }
    }
    Value result;
    if (!real && perToken)
      real = emit<qnn::DequantizeAccumulatorOp>(f32, sum, rowScale, floatWeight({outputs}));
    if (real)
      result = emit<qnn::QuantizeOp>(element, emit<qnn::GeluOp>(f32, real, builder.getBoolAttr(false)),
                                     floatConstant(0.05f), Value(), qnn::SchemeAttr::get(context, "s8"));
    else
      result = rescale(sum, typicalBits(channels), 3);
    values.push_back(
        emit<qnn::TransposeOp>(cast<RankedTensorType>(result.getType()).getElementType(), result, i64s({0, 3, 1, 2})));
  }

  /// 8-bit weights, or wider ones, as large as sums of `depth` products in 32 bits allow (R14).
  Value weightFor(Value input, ArrayRef<int64_t> shape, int64_t depth) {
    int64_t limit = ((int64_t(1) << 31) - (1 << 20)) / (depth * (isWide(input) ? 32768 + 128 : 256));
    bool words = pick(4) == 0;
    limit = std::max<int64_t>(std::min<int64_t>(limit, words ? 32767 : 127), 1);
    return weight(shape, words ? 16 : 8, -limit, limit);
  }

  Value floatConstant(float value) {
    auto type = RankedTensorType::get({}, builder.getF32Type());
    auto op = qnn::ConstantOp::create(builder, builder.getUnknownLoc(), type, DenseElementsAttr::get(type, value));
    (void)shapes.visit(op);
    return op;
  }
  /// Scales around 2^-10.
  Value floatWeight(ArrayRef<int64_t> shape) {
    auto type = RankedTensorType::get(shape, builder.getF32Type());
    std::vector<float> numbers(size_t(type.getNumElements()));
    for (float &number : numbers)
      number = std::ldexp(1.0f + float(pick(1 << 20)) / (1 << 20), -10);
    WeightStore &store = getWeightStore(context);
    std::string name = store.uniqueName("random");
    store.set(name, WeightData::copyOf<float>(type, numbers));
    auto op = qnn::WeightOp::create(builder, builder.getUnknownLoc(), type, name);
    (void)shapes.visit(op);
    return op;
  }

  void addConvolution(Value input, int64_t channels, bool depthwise) {
    int64_t kh = 1 + pick(3), kw = 1 + pick(3), stride = 1 + pick(2), dilation = 1 + pick(2);
    int64_t ph = pick(kh), pw = pick(kw), groups = 1, outputs = 1 + pick(50);
    if (!fits(input, dilation * 2 + 1))
      return;
    if (depthwise) {
      groups = outputs = channels;
    } else if (channels % 2 == 0 && pick(4) == 0) {
      groups = 2;
      outputs += outputs % 2;
    }
    int64_t perGroup = channels / groups;
    Value w = wide      ? weightFor(input, {outputs, perGroup, kh, kw}, perGroup * kh * kw)
              : pick(4) ? weight({outputs, perGroup, kh, kw}, 8, -127, 127)
                        : weight({outputs, perGroup, kh, kw}, 4, -8, 7),
          b = pick(2) ? weight({outputs}, 32, -3000, 3000) : Value();
    Value sum = emit<dyadic::ConvOp>(builder.getI32Type(), input, w, b, i64s({stride, stride}),
                                     i64s({ph, pw, pw == 0 ? ph : 0, pw}), i64s({dilation, dilation}),
                                     builder.getI64IntegerAttr(groups), i32(pick(255) - 127));
    // Wide weights saturate the result: a few bits more.
    values.push_back(rescale(sum, typicalBits(perGroup * kh * kw) + (isWide(input) ? 8 : 0) + (isWide(w) ? 4 : 0), 1));
  }

  uint64_t seed;
  std::mt19937_64 random;
  OpBuilder builder;
  MLIRContext *context;
  SymbolicShapes shapes;
  SmallVector<DimSymbol> symbols;
  SmallVector<Value> values;
  bool wide = false;
  unsigned step = 0, count = 0;
};

} // namespace

OwningOpRef<ModuleOp> bitwright::makeRandomGraph(uint64_t seed, unsigned steps, ArrayRef<unsigned> skip,
                                                 MLIRContext *context) {
  return Generator(seed, context).run(steps, skip);
}
