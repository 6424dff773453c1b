// Exec programs: what the interpreter refuses (their memory is tested by test/Unit/Reference/ProgramTest.cpp).

// RUN: %python -c "import numpy as n; n.savez('%t.npz', x=n.arange(6, dtype=n.float32).reshape(1, 2, 3))"
// RUN: not quant-interpret %s --inputs %t.npz --function bare 2>&1 | FileCheck %s --check-prefix=BARE
// RUN: not quant-interpret %s --inputs %t.npz --function range 2>&1 | FileCheck %s --check-prefix=RANGE

// BARE: error: 'exec.launch' op has no body to interpret: lower with keep-bodies
exec.program @bare symbols [] arena 256 contents {
  exec.tensor "x" f32 dims affine_map<() -> (1, 2, 3)> order [0, 1, 2]
  exec.interface ["x"] -> ["x"]
  exec.launch "first" kernel "k0" [#exec.buffer<input 0 "x">, #exec.buffer<output 0 "x">] stores [1] dims affine_map<() -> ()> tiles affine_map<() -> (1)> scratch affine_map<() -> (0)> body {
  }
}

// RANGE: error: dimension W: expected 4..8 in steps of 1, found 3
exec.program @range symbols [#qnn.symbol<"W", 4, 8, 1>] arena 256 contents {
  exec.tensor "x" f32 dims affine_map<()[s0] -> (1, 2, s0)> order [0, 1, 2]
  exec.interface ["x"] -> ["x"]
}
