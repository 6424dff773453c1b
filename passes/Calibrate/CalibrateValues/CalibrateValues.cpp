//===- CalibrateValues.cpp - collects the statistics of every float value --===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "passes/Calibrate/CalibrateValues/CalibrateValues.h"
#include "dialects/Qnn/Qnn.h"
#include "lib/Statistics/Collect.h"

namespace bitwright {
#define GEN_PASS_DEF_CALIBRATEVALUES
#include "passes/Calibrate/CalibrateValues/CalibrateValues.h.inc"
} // namespace bitwright

using namespace mlir;
using namespace bitwright;

namespace {
struct CalibrateValues : bitwright::impl::CalibrateValuesBase<CalibrateValues> {
  using CalibrateValuesBase::CalibrateValuesBase;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    auto fail = [&](llvm::Error error) {
      func.emitError() << llvm::toString(std::move(error));
      signalPassFailure();
    };
    if (data.empty() == statisticsIn.empty()) {
      func.emitError() << "expected one of the options data and statistics-in, found "
                       << (data.empty() ? "none" : "both");
      return signalPassFailure();
    }
    auto statistics = std::make_shared<Statistics>();
    if (!statisticsIn.empty()) {
      llvm::Expected<Statistics> loaded = Statistics::load(statisticsIn);
      if (!loaded)
        return fail(loaded.takeError());
      if (llvm::Error error = checkStatistics(*loaded, func))
        return fail(std::move(error));
      *statistics = std::move(*loaded);
      if (!statisticsOut.empty())
        if (llvm::Error error = statistics->save(statisticsOut))
          return fail(std::move(error));
    } else {
      auto samples = CalibrationData::open(data, func);
      if (!samples)
        return fail(samples.takeError());
      InterpreterRunner runner(func, threads);
      CollectOptions options;
      options.secondMoments = secondMoments;
      auto collected = statisticsOut.empty()
                           ? collectStatistics(func, **samples, runner, nullptr, options)
                           : collectStatisticsTo(statisticsOut, func, **samples, runner, nullptr, options);
      if (!collected)
        return fail(collected.takeError());
      *statistics = std::move(*collected);
    }
    func.getContext()->getOrLoadDialect<qnn::QnnDialect>()->getStatistics() = statistics;
    markAllAnalysesPreserved();
  }
};
} // namespace
