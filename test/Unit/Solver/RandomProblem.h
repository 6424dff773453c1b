//===- RandomProblem.h - allocation problems from a seed ---------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_TEST_UNIT_SOLVER_RANDOMPROBLEM_H
#define BITWRIGHT_TEST_UNIT_SOLVER_RANDOMPROBLEM_H

#include "lib/Solver/Solve.h"

#include <cmath>
#include <random>

namespace bitwright::solver::test {

class Random {
public:
  explicit Random(uint64_t seed) : engine(seed) {}
  /// The distributions of the standard library differ between implementations; these do not.
  double uniform() { return double(engine() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  unsigned below(unsigned n) { return unsigned(engine() % n); }
  bool chance(double p) { return uniform() < p; }

private:
  std::mt19937_64 engine;
};

struct Shape {
  unsigned groups = 5, choices = 2;
  /// Requantization edges: each group to the next, and one in four to a later one.
  bool edges = false;
  bool wholeNumbers = false;
};

/// Layers of very different size whose loss falls by about 6 dB a bit; metrics bytes and latency.
inline AllocationProblem makeProblem(Random &random, const Shape &shape) {
  static const std::pair<const char *, const char *> formats[] = {{"s4", "s8"},   {"s8", "s8"}, {"s8", "s16"},
                                                                  {"s16", "s16"}, {"s2", "s8"}, {"s6", "s8"}};
  static const double bits[] = {4, 8, 8, 16, 2, 6}, activationBits[] = {8, 8, 16, 16, 8, 8};
  AllocationProblem problem;
  problem.metrics = {"bytes", "latency"};
  for (unsigned g = 0; g < shape.groups; ++g) {
    Group group;
    group.name = "layer" + std::to_string(g);
    group.elements = std::round(std::exp(random.uniform(7, 14)));
    double sensitivity = std::exp(random.uniform(-3, 3)), speed = random.uniform(0.5, 2);
    for (unsigned c = 0; c < shape.choices; ++c) {
      Choice choice;
      choice.weight = formats[c].first;
      choice.activation = formats[c].second;
      choice.loss =
          sensitivity * (std::exp2(-2 * bits[c]) + std::exp2(-2 * activationBits[c])) * 256 * random.uniform(0.7, 1.3);
      choice.costs = {group.elements * bits[c] / 8,
                      group.elements * 1e-6 * speed * (bits[c] + activationBits[c]) / 16 * random.uniform(0.8, 1.2)};
      if (shape.wholeNumbers) {
        choice.loss = random.below(40);
        choice.costs = {double(random.below(30)), double(random.below(30))};
      }
      group.choices.push_back(choice);
    }
    problem.groups.push_back(group);
  }
  if (shape.edges)
    for (unsigned g = 0; g + 1 < shape.groups; ++g)
      for (unsigned to : {g + 1, g + 2 + random.below(6)}) {
        if (to >= shape.groups || (to > g + 1 && !random.chance(0.25)))
          continue;
        Edge edge;
        edge.from = g;
        edge.to = to;
        edge.loss = shape.wholeNumbers ? random.below(10) : 0.002 * random.uniform();
        edge.costs = {0, shape.wholeNumbers ? random.below(8) : 0.01 * random.uniform()};
        problem.edges.push_back(edge);
      }
  return problem;
}

inline double span(const AllocationProblem &problem, unsigned metric, double part) {
  double low = 0, high = 0;
  for (const Group &group : problem.groups) {
    double least = group.choices[0].costs[metric], most = least;
    for (const Choice &choice : group.choices) {
      least = std::min(least, choice.costs[metric]);
      most = std::max(most, choice.costs[metric]);
    }
    low += least;
    high += most;
  }
  return low + part * (high - low);
}

} // namespace bitwright::solver::test

#endif // BITWRIGHT_TEST_UNIT_SOLVER_RANDOMPROBLEM_H
