//===- ComparePlans.cpp - other plans, and how well losses are predicted ----===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/ComparePlans.h"
#include "lib/Evaluate/Costs.h"
#include "lib/Support/KendallTau.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <numeric>

using namespace bitwright;
using solver::AllocationProblem;
using solver::Choice;

double bitwright::kendall(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b) {
  return kendallTau(a, b).value_or(0);
}

static std::vector<double> ranksOf(llvm::ArrayRef<double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t(0));
  llvm::sort(order, [&](size_t i, size_t j) { return std::pair(values[i], i) < std::pair(values[j], j); });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0, end; begin < order.size(); begin = end) {
    for (end = begin; end < order.size() && values[order[end]] == values[order[begin]];)
      ++end;
    for (size_t i = begin; i < end; ++i)
      ranks[order[i]] = double(begin + end - 1) / 2;
  }
  return ranks;
}

double bitwright::spearman(llvm::ArrayRef<double> a, llvm::ArrayRef<double> b) {
  std::vector<double> x = ranksOf(a), y = ranksOf(b);
  double mean = (double(x.size()) - 1) / 2, xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

double bitwright::totalOf(const AllocationProblem &problem, llvm::StringRef metric, llvm::ArrayRef<unsigned> choices) {
  auto index = problem.findMetric(metric);
  double sum = 0;
  for (size_t g = 0; index && g < choices.size(); ++g)
    sum += problem.groups[g].choices[choices[g]].costs[*index];
  return sum;
}

namespace {
/// Changes of one group that keep the ties: partners follow where they have to.
class Moves {
public:
  explicit Moves(const AllocationProblem &problem) : problem(problem), tiesOf(problem.groups.size()) {
    for (const solver::Tie &tie : problem.ties)
      for (unsigned group : tie.groups)
        tiesOf[group].push_back(&tie);
  }

  /// `choices` with `group` taking `choice`. Partners keep what else they have where they can. None: a partner has no
  /// choice that fits.
  std::optional<Choices> apply(Choices choices, unsigned group, unsigned choice) const {
    std::vector<unsigned> pending = {group};
    std::vector<char> settled(choices.size());
    choices[group] = choice;
    settled[group] = 1;
    while (!pending.empty()) {
      unsigned from = pending.back();
      pending.pop_back();
      for (const solver::Tie *tie : tiesOf[from]) {
        std::string label = problem.groups[from].choices[choices[from]].label(tie->side);
        for (unsigned partner : tie->groups) {
          const solver::Group &other = problem.groups[partner];
          if (other.choices[choices[partner]].label(tie->side) == label)
            continue;
          if (settled[partner])
            return std::nullopt;
          auto fits = [&](bool sameWeight) {
            return llvm::find_if(other.choices, [&](const Choice &c) {
              return c.label(tie->side) == label && (!sameWeight || c.weight == other.choices[choices[partner]].weight);
            });
          };
          auto it = fits(true);
          if (it == other.choices.end())
            it = fits(false);
          if (it == other.choices.end())
            return std::nullopt;
          choices[partner] = unsigned(it - other.choices.begin());
          settled[partner] = 1;
          pending.push_back(partner);
        }
      }
    }
    return choices;
  }

private:
  const AllocationProblem &problem;
  std::vector<llvm::SmallVector<const solver::Tie *>> tiesOf;
};

unsigned bitsOfName(llvm::StringRef format) {
  unsigned bits = 0;
  format.drop_while([](char c) { return !isdigit(c); })
      .take_while([](char c) { return isdigit(c); })
      .getAsInteger(10, bits);
  return bits;
}

/// Each group's choice of the least loss, as far as ties allow.
Choices leastLoss(const AllocationProblem &problem) {
  Moves moves(problem);
  Choices best(problem.groups.size(), 0);
  // A plan that keeps the ties: that of the first group's labels.
  for (unsigned g = 0; g < best.size(); ++g)
    if (auto next = moves.apply(best, g, best[g]))
      best = *next;
  for (bool changed = true; changed;) {
    changed = false;
    for (unsigned g = 0; g < best.size(); ++g)
      for (unsigned c = 0; c < problem.groups[g].choices.size(); ++c)
        if (auto next = moves.apply(best, g, c);
            next && solver::lossOf(problem, *next) < solver::lossOf(problem, best)) {
          best = *next;
          changed = true;
        }
  }
  return best;
}
} // namespace

Choices bitwright::randomPlan(const AllocationProblem &problem, std::mt19937_64 &engine) {
  Moves moves(problem);
  Choices choices = leastLoss(problem);
  std::vector<unsigned> order(choices.size());
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), engine);
  auto uniform = [&] { return double(engine() >> 11) * 0x1p-53; }; // the same on every platform
  double share = uniform();
  for (unsigned g : order) {
    llvm::ArrayRef<Choice> all = problem.groups[g].choices;
    std::vector<unsigned> byLoss(all.size());
    std::iota(byLoss.begin(), byLoss.end(), 0u);
    llvm::sort(byLoss, [&](unsigned a, unsigned b) { return std::pair(all[a].loss, a) < std::pair(all[b].loss, b); });
    size_t draw = 0;
    for (size_t i = 1; i < all.size(); ++i)
      draw += uniform() < share;
    if (auto next = moves.apply(choices, g, byLoss[draw]))
      choices = *next;
  }
  return choices;
}

std::optional<Choices> bitwright::randomPlanOfSize(const AllocationProblem &problem, double bytes, double tolerance,
                                                   std::mt19937_64 &engine) {
  Moves moves(problem);
  Choices choices = randomPlan(problem, engine);
  double away = std::fabs(totalOf(problem, "bytes", choices) - bytes);
  for (int i = 0; i < 20000 && away > tolerance * bytes; ++i) {
    unsigned g = unsigned(engine() % choices.size());
    auto next = moves.apply(choices, g, unsigned(engine() % problem.groups[g].choices.size()));
    double other = next ? std::fabs(totalOf(problem, "bytes", *next) - bytes) : 0;
    if (next && other <= away) {
      choices = *next;
      away = other;
    }
  }
  return away <= tolerance * bytes ? std::optional(choices) : std::nullopt;
}

Choices bitwright::uniformPlan(const AllocationProblem &problem, llvm::StringRef weight) {
  Moves moves(problem);
  Choices choices = leastLoss(problem);
  for (unsigned g = 0; g < choices.size(); ++g) {
    const solver::Group &group = problem.groups[g];
    std::string activation = group.choices[choices[g]].activation;
    std::optional<unsigned> best;
    auto rank = [&](unsigned c) { // the format itself, then more bits, then fewer
      unsigned wanted = bitsOfName(weight), bits = bitsOfName(group.choices[c].weight);
      return bits >= wanted ? bits - wanted : 1000 + wanted - bits;
    };
    for (unsigned c = 0; c < group.choices.size(); ++c)
      if (group.choices[c].activation == activation && (!best || rank(c) < rank(*best)))
        best = c;
    if (best)
      if (auto next = moves.apply(choices, g, *best))
        choices = *next;
  }
  return choices;
}

Choices bitwright::greedyPlan(const AllocationProblem &problem, double bytes) {
  Choices choices = leastLoss(problem);
  auto metric = problem.findMetric("bytes");
  double now = totalOf(problem, "bytes", choices);
  while (metric && now > bytes) {
    double bestRate = 0, saved = 0;
    std::optional<std::pair<unsigned, unsigned>> best;
    for (unsigned g = 0; g < choices.size(); ++g) {
      const solver::Group &group = problem.groups[g];
      const Choice &present = group.choices[choices[g]];
      for (unsigned c = 0; c < group.choices.size(); ++c) {
        const Choice &other = group.choices[c];
        double saving = present.costs[*metric] - other.costs[*metric];
        if (other.activation != present.activation || saving <= 0)
          continue;
        double rate = (other.loss - present.loss) / saving;
        if (!best || rate < bestRate) {
          best = {g, c};
          bestRate = rate;
          saved = saving;
        }
      }
    }
    if (!best)
      break;
    choices[best->first] = best->second;
    now -= saved;
  }
  return choices;
}

llvm::Expected<PairTerms> bitwright::measurePairs(PlanTrials &trials, const Sensitivities &sensitivities,
                                                  const AllocationProblem &problem, llvm::ArrayRef<unsigned> choices,
                                                  llvm::StringRef metric, unsigned maxTrials,
                                                  llvm::function_ref<void(uint64_t, uint64_t)> progress) {
  const AllocationUnits &units = trials.getUnits();
  auto rest = problem.findGroup(restGroup);
  Trial all = trials.of(problem, choices);
  // What a group alone rounds: its weight, and its class if it is the first that reads it.
  std::vector<bool> seen(units.classes.size());
  std::vector<Trial> alone;
  std::vector<unsigned> groups;
  for (auto [index, unit] : llvm::enumerate(units.units)) {
    Trial trial = trials.none();
    bool first = unit.activation >= 0 && !seen[size_t(unit.activation)];
    if (first)
      seen[size_t(unit.activation)] = true;
    if (unit.weights.size() > 1)
      trial.weights[index] = all.weights[index];
    if (first && units.classes[size_t(unit.activation)].formats.size() > 1)
      trial.activations[size_t(unit.activation)] = all.activations[size_t(unit.activation)];
    if (problem.groups[index].choices[choices[index]].loss == 0)
      continue;
    alone.push_back(std::move(trial));
    groups.push_back(unsigned(index));
  }
  if (rest && problem.groups[*rest].choices[0].loss != 0) {
    alone.push_back(sensitivities.getFixed());
    groups.push_back(*rest);
  }
  auto lossOf = [&](unsigned i) { return problem.groups[groups[i]].choices[choices[groups[i]]].loss; };
  std::vector<unsigned> order(groups.size());
  std::iota(order.begin(), order.end(), 0u);
  llvm::sort(order, [&](unsigned i, unsigned j) {
    return std::pair(-std::fabs(lossOf(i)), i) < std::pair(-std::fabs(lossOf(j)), j);
  });
  // n units take n (n - 1) / 2 trials, and one more each where two parts are rounded.
  size_t count = order.size();
  while (count > 0 && count * (count - 1) / 2 + count > maxTrials)
    --count;
  order.resize(count);

  PairTerms result;
  uint64_t total = count * (count + 1) / 2;
  auto measure = [&](const Trial &trial, const llvm::Twine &what) -> llvm::Expected<double> {
    auto loss = trials.measure(trial, what);
    if (!loss)
      return loss.takeError();
    ++result.trials;
    if (progress)
      progress(result.trials, total);
    return metric == "user" ? loss->user : loss->output;
  };
  auto join = [](Trial a, const Trial &b) {
    for (auto [to, from] : llvm::zip(a.weights, b.weights))
      if (to.empty())
        to = from;
    for (auto [to, from] : llvm::zip(a.activations, b.activations))
      if (to.empty())
        to = from;
    return a;
  };
  std::vector<double> single(count);
  for (size_t i = 0; i < count; ++i) {
    const Trial &trial = alone[order[i]];
    unsigned group = groups[order[i]];
    single[i] = lossOf(order[i]);
    auto rounds = [](const std::string &format) { return !format.empty(); };
    if (llvm::none_of(trial.weights, rounds) || llvm::none_of(trial.activations, rounds) || group >= units.units.size())
      continue;
    auto loss = measure(trial, "the choice of '" + problem.groups[group].name + "'");
    if (!loss)
      return loss.takeError();
    result.corrections.push_back({group, choices[group], *loss - single[i]});
    single[i] = *loss;
  }
  for (size_t i = 0; i < count; ++i)
    for (size_t j = 0; j < i; ++j) {
      unsigned a = groups[order[i]], b = groups[order[j]];
      auto loss = measure(join(alone[order[i]], alone[order[j]]),
                          "the choices of '" + problem.groups[a].name + "' and '" + problem.groups[b].name + "'");
      if (!loss)
        return loss.takeError();
      double term = *loss - single[i] - single[j];
      auto scale = [&](unsigned group, const Choice &choice) {
        double chosen = problem.groups[group].choices[choices[group]].loss;
        return chosen > 0 && choice.loss > 0 ? std::sqrt(choice.loss / chosen) : 0.0;
      };
      for (auto [c, first] : llvm::enumerate(problem.groups[a].choices))
        for (auto [d, second] : llvm::enumerate(problem.groups[b].choices)) {
          bool measured = c == choices[a] && d == choices[b];
          // What pairs save is not more than measured: sums of extrapolated savings would promise losses below zero.
          double scaled = measured ? term : std::max(term, 0.0) * scale(a, first) * scale(b, second);
          if (scaled != 0)
            result.terms.push_back({a, b, unsigned(c), unsigned(d), scaled});
        }
    }
  return result;
}

void bitwright::addPairs(AllocationProblem &problem, const PairTerms &pairs) {
  for (auto [group, choice, difference] : pairs.corrections)
    problem.groups[group].choices[choice].loss += difference;
  problem.pairs.insert(problem.pairs.end(), pairs.terms.begin(), pairs.terms.end());
}
