//===- allocate-bench.cpp - solve time against size --------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// Random allocation programs with two budgets (size at 45 %, latency at 40 % of the span), with and without
// requantization edges. Prints a table, or one JSON object a line with `--json`. `--runs N` seeds of each (3).
//
//===----------------------------------------------------------------------===//

#include "test/Unit/Solver/RandomProblem.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bitwright::solver;
using namespace bitwright::solver::test;

int main(int argc, char **argv) {
  bool json = false;
  unsigned runs = 3;
  for (int i = 1; i < argc; ++i) {
    if (!strcmp(argv[i], "--json")) {
      json = true;
    } else if (!strcmp(argv[i], "--runs") && i + 1 < argc && atoi(argv[i + 1]) > 0) {
      runs = unsigned(atoi(argv[++i]));
    } else {
      fprintf(stderr, "usage: allocate-bench [--json] [--runs N]\n");
      return 2;
    }
  }
  if (!json)
    printf("%9s %8s %6s %8s %10s %10s %10s  %s\n", "binaries", "choices", "edges", "gap<=", "median s", "max s",
           "max gap", "method of the last");
  for (unsigned binaries : {100u, 1000u, 10000u, 40000u})
    for (unsigned choices : {2u, 4u})
      for (bool edges : {false, true})
        for (double gap : {1e-4, 0.0}) {
          // Proofs of optimality take long on the largest programs, and mean little there.
          if (gap == 0 && (binaries > 10000 || (edges && binaries > 1000)))
            continue;
          std::vector<double> seconds;
          double worst = 0;
          std::string method;
          for (unsigned run = 0; run < runs; ++run) {
            Random random(100 * binaries + 10 * choices + run);
            AllocationProblem problem = makeProblem(random, {binaries / choices, choices, edges, false});
            SolveOptions options;
            options.relativeGap = gap;
            options.timeLimit = 30;
            Plan plan =
                llvm::cantFail(solve(problem, llvm::cantFail(parseBudgets("size <= 45 %, latency <= 40 %")), options));
            seconds.push_back(plan.seconds);
            worst = std::max(worst, plan.gap);
            method = plan.method;
          }
          std::sort(seconds.begin(), seconds.end());
          double median = seconds[seconds.size() / 2], most = seconds.back();
          if (json)
            printf("{\"binaries\": %u, \"choices\": %u, \"edges\": %s, \"gap_wanted\": %g, \"median_s\": %.4f, "
                   "\"max_s\": %.4f, \"max_gap\": %.3g}\n",
                   binaries, choices, edges ? "true" : "false", gap, median, most, worst);
          else
            printf("%9u %8u %6s %8g %10.3f %10.3f %10.2g  %s\n", binaries, choices, edges ? "yes" : "no", gap, median,
                   most, worst, method.c_str());
          fflush(stdout);
        }
  return 0;
}
