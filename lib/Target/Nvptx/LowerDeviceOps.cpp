//===- LowerDeviceOps.cpp - device operations to inline PTX -----------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// `llvm.inline_asm` with tied constraints and i32 values throughout: `nvvm.inline_ptx` loses the value of read-write
// operands (KERNELS 3.5.2). Only what must keep its place has side effects; the rest may be scheduled and merged.
//
//===----------------------------------------------------------------------===//

#include "lib/Target/Nvptx/KernelWriter.h"

using namespace mlir;
using namespace bitwright;
using namespace bitwright::kernel;
using namespace bitwright::nvptx;

namespace {

struct Lowering {
  OpBuilder &builder;
  Location loc;

  Values assembly(TypeRange results, ValueRange operands, StringRef text, StringRef constraints, bool sideEffects) {
    Type type;
    if (results.size() == 1)
      type = results[0];
    else if (results.size() > 1)
      type = LLVM::LLVMStructType::getLiteral(builder.getContext(), llvm::to_vector(results));
    auto op = LLVM::InlineAsmOp::create(builder, loc, type, operands, text, constraints, sideEffects,
                                        /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
                                        LLVM::AsmDialectAttr(), ArrayAttr());
    if (results.size() <= 1)
      return llvm::to_vector_of<Value>(op->getResults());
    Values values;
    for (unsigned i = 0; i < results.size(); ++i)
      values.push_back(LLVM::ExtractValueOp::create(builder, loc, op->getResult(0), ArrayRef<int64_t>{int64_t(i)}));
    return values;
  }

  static StringRef constraintOf(Type type) {
    return type.isF32() ? "f" : type.isInteger(64) || isa<LLVM::LLVMPointerType>(type) ? "l" : "r";
  }
  /// "=r,=r,0,1": n results tied to n operands.
  static std::string tied(TypeRange types) {
    std::string text;
    for (Type type : types)
      text += (text.empty() ? "=" : ",=") + constraintOf(type).str();
    for (unsigned i = 0; i < types.size(); ++i)
      text += "," + std::to_string(i);
    return text;
  }

  Values lower(Operation *op) {
    return llvm::TypeSwitch<Operation *, Values>(op)
        .Case([&](Lop3Op op) {
          return assembly(op->getResultTypes(), op->getOperands(),
                          "lop3.b32 $0, $1, $2, $3, " + std::to_string(op.getTable()) + ";", "=r,r,r,r", false);
        })
        .Case([&](PackS8Op op) {
          return assembly(op->getResultTypes(), op->getOperands(), "cvt.pack.sat.s8.s32.b32 $0, $1, $2, $3;",
                          "=r,r,r,r", false);
        })
        .Case([&](PackHalfOp op) {
          StringRef type = op.getType().isF16() ? "f16x2" : "bf16x2";
          return assembly(op->getResultTypes(), op->getOperands(), ("cvt.rn." + type + ".f32 $0, $1, $2;").str(),
                          "=r,f,f", false);
        })
        .Case([&](RoundToIntOp op) {
          return assembly(op->getResultTypes(), op->getOperands(), "cvt.rni.s32.f32 $0, $1;", "=r,f", false);
        })
        .Case([&](PackedMathOp op) { return packedMath(op); })
        .Case([&](PinOp op) { return assembly(op->getResultTypes(), op->getOperands(), "", tied(op->getResultTypes()), true); })
        .Case([&](WgmmaRsOp op) { return wgmma(op); })
        .Case([&](LoadStreamOp op) {
          return assembly(op->getResultTypes(), op->getOperands(),
                          "ld.global.nc.L1::no_allocate.L2::256B.v4.b32 {$0, $1, $2, $3}, [$4+" +
                              std::to_string(int64_t(op.getOffset())) + "];",
                          "=r,=r,=r,=r,l", true);
        })
        .Case([&](StoreIfOp op) { return storeIf(op); })
        .Case([&](StoreAsyncOp op) {
          return assembly({}, op->getOperands(),
                          "st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.b32 [$0], {$1, $2, $3, $4}, [$5];",
                          "r,r,r,r,r,r,~{memory}", true);
        })
        .Case([&](MapSharedOp op) {
          return assembly(op->getResultTypes(), op->getOperands(), "mapa.shared::cluster.u32 $0, $1, $2;", "=r,r,r",
                          false);
        })
        .Case([&](ArriveRemoteOp op) {
          return assembly({}, op->getOperands(),
                          "{ .reg .b32 ra; mapa.shared::cluster.u32 ra, $0, $1; "
                          "mbarrier.arrive.shared::cluster.b64 _, [ra]; }",
                          "r,r,~{memory}", true);
        })
        .Case([&](PrefetchL2Op op) {
          return assembly({}, op->getOperands(), "cp.async.bulk.prefetch.L2.global [$0], $1;", "l,r", true);
        })
        .Default([](Operation *) { return Values(); });
  }

  Values packedMath(PackedMathOp op) {
    StringRef type = op.getType().isF16() ? "f16x2" : "bf16x2";
    StringRef name = stringifyHalfMath(op.getFunction());
    std::string text = (name + (op.getFunction() == HalfMath::Fma ? ".rn." : ".") + type + " $0").str();
    std::string constraints = "=r";
    for (unsigned i = 1; i <= op.getInputs().size(); ++i) {
      text += ", $" + std::to_string(i);
      constraints += ",r";
    }
    return assembly(op->getResultTypes(), op->getOperands(), text + ";", constraints, false);
  }

  Values wgmma(WgmmaRsOp op) {
    unsigned n = op.getAccumulators().size();
    bool integer = op.getType().isInteger();
    auto list = [](unsigned from, unsigned count) {
      std::string text;
      for (unsigned i = 0; i < count; ++i)
        text += (i ? ", $" : "$") + std::to_string(from + i);
      return text;
    };
    std::string shape = ".m64n" + std::to_string(op.getN()) + (integer ? "k32" : "k16");
    StringRef types = integer ? ".s32.s8.s8" : op.getType().isF16() ? ".f32.f16.f16" : ".f32.bf16.bf16";
    std::string text = "{ .reg .pred p; setp.ne.b32 p, " + std::string(op.getZero() ? "0" : "1") +
                       ", 0; wgmma.mma_async.sync.aligned" + shape + types.str() + " {" + list(0, n) + "}, {" +
                       list(n, 4) + "}, $" + std::to_string(n + 4) + ", p" + (integer ? "" : ", 1, 1, 0") + "; }";
    std::string constraints;
    for (unsigned i = 0; i < n; ++i)
      constraints += integer ? "=r," : "=f,";
    constraints += "r,r,r,r,l";
    for (unsigned i = 0; i < n; ++i)
      constraints += "," + std::to_string(i);
    return assembly(op->getResultTypes(), op->getOperands(), text, constraints, true);
  }

  Values storeIf(StoreIfOp op) {
    unsigned n = op.getWords().size();
    std::string words = n == 1 ? "$1" : "{";
    for (unsigned i = 1; n > 1 && i <= n; ++i)
      words += (i > 1 ? ", $" : "$") + std::to_string(i);
    words += n == 1 ? "" : "}";
    std::string suffix = n == 1 ? ".b32" : ".v" + std::to_string(n) + ".b32";
    std::string constraints = "l";
    for (unsigned i = 0; i <= n; ++i)
      constraints += ",r";
    Values operands = {op.getPointer()};
    operands.append(op.getWords().begin(), op.getWords().end());
    operands.push_back(arith::ExtUIOp::create(builder, loc, builder.getI32Type(), op.getCondition()));
    int64_t offset = op.getOffset();
    return assembly({}, operands,
                    "{ .reg .pred p; setp.ne.b32 p, $" + std::to_string(n + 1) + ", 0; @p st.global" + suffix + " [$0" +
                        (offset ? "+" + std::to_string(offset) : "") + "], " + words + "; }",
                    constraints + ",~{memory}", true);
  }
};

} // namespace

void bitwright::nvptx::lowerDeviceOps(ModuleOp module) {
  SmallVector<Operation *> ops;
  module.walk([&](Operation *op) {
    if (isa_and_nonnull<KernelDialect>(op->getDialect()))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    OpBuilder builder(op);
    op->replaceAllUsesWith(Lowering{builder, op->getLoc()}.lower(op));
    op->erase();
  }
}
