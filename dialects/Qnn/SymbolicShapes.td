//===- SymbolicShapes.td - the interface behind every shape ---------------===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_DIALECTS_QNN_SYMBOLICSHAPES_TD
#define BITWRIGHT_DIALECTS_QNN_SYMBOLICSHAPES_TD

include "mlir/IR/OpBase.td"

def SymbolicShapeOpInterface : OpInterface<"SymbolicShapeOpInterface"> {
  let cppNamespace = "::bitwright";
  let description = [{
    Gives each result's shape as affine expressions of the function's symbols, from the operands' shapes. The one source
    of result types at import, of the verifier's shape check, and of the symbolic-shape analysis.
  }];
  let methods = [InterfaceMethod<[{
      Appends one shape a result. On failure returns the reason (expected, found) as text; empty text means success.
    }], "std::string", "inferSymbolicShapes",
    (ins "::llvm::ArrayRef<::bitwright::SymbolicShape>":$operands, "::llvm::SmallVectorImpl<::bitwright::SymbolicShape> &":$results), [{}], [{
      ::bitwright::SymbolicShape shape;
      std::string error = ::bitwright::broadcastShapes(operands, shape);
      if (error.empty())
        results.append($_op->getNumResults(), shape);
      return error;
    }]>];
  let verify = [{ return ::bitwright::verifySymbolicShapes($_op); }];
}

/// Marks ops that compute each output element from the elements at the same (broadcast) position.
def Qnn_Elementwise : NativeOpTrait<"Elementwise"> { let cppNamespace = "::bitwright::qnn"; }

#endif
