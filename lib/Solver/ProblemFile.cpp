//===- ProblemFile.cpp - the statistics file of an allocation ----*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Solver/AllocationProblem.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/JSON.h"

#include <cmath>
#include <set>

using namespace llvm;

namespace bitwright::solver {
namespace {

constexpr int64_t fileVersion = 1;

StringRef kindOf(const json::Value *value) {
  if (!value)
    return "nothing";
  switch (value->kind()) {
  case json::Value::Null:
    return "null";
  case json::Value::Boolean:
    return "a boolean";
  case json::Value::Number:
    return "a number";
  case json::Value::String:
    return "a string";
  case json::Value::Array:
    return "a list";
  case json::Value::Object:
    return "an object";
  }
  llvm_unreachable("unknown kind of JSON value");
}

/// Reads values with the place in the file for messages. The first error stays; later reads return defaults.
class Reader {
public:
  explicit Reader(StringRef where) : where(where) {}
  bool failed() const { return !message.empty(); }
  Error take() { return createStringError(inconvertibleErrorCode(), where + message); }
  void fail(const Twine &place, const Twine &text) {
    if (message.empty())
      message = (": " + place + ": " + text).str();
  }

  const json::Object *object(const json::Value *value, const Twine &place) {
    const json::Object *object = value ? value->getAsObject() : nullptr;
    if (!object)
      fail(place, "expected an object, found " + kindOf(value));
    return object;
  }
  /// A missing list is empty unless it is required.
  const json::Array *array(const json::Object &parent, StringRef key, const Twine &place, bool required) {
    const json::Value *value = parent.get(key);
    if (!value && !required)
      return &empty;
    const json::Array *array = value ? value->getAsArray() : nullptr;
    if (!array)
      fail(place + key, "expected a list, found " + kindOf(value));
    return array ? array : &empty;
  }
  std::string string(const json::Object &parent, StringRef key, const Twine &place, bool required) {
    const json::Value *value = parent.get(key);
    if (!value && !required)
      return "";
    if (std::optional<StringRef> text = value ? value->getAsString() : std::nullopt)
      return text->str();
    fail(place + key, "expected a string, found " + kindOf(value));
    return "";
  }
  double number(const json::Value *value, const Twine &place) {
    std::optional<double> number = value ? value->getAsNumber() : std::nullopt;
    if (!number)
      fail(place, "expected a number, found " + kindOf(value));
    else if (!std::isfinite(*number))
      fail(place, "expected a finite number, found " + Twine(std::isnan(*number) ? "NaN" : "infinity"));
    return number.value_or(0);
  }
  double number(const json::Object &parent, StringRef key, const Twine &place, bool required) {
    const json::Value *value = parent.get(key);
    return !value && !required ? 0 : number(value, place + key);
  }

private:
  std::string where, message;
  json::Array empty;
};

class ProblemReader : Reader {
public:
  explicit ProblemReader(StringRef where) : Reader(where) {}
  Expected<AllocationProblem> read(const json::Value &root);

private:
  void readHeader(const json::Object &root);
  void readGroup(const json::Value &value, const std::string &place);
  void readChoice(const json::Value &value, Group &group, const std::string &place);
  std::vector<double> readCosts(const json::Object &parent, const std::string &place, bool all);
  Side readSide(const json::Object &parent, StringRef key, const std::string &place, Side missing);
  unsigned group(const json::Value *value, const std::string &place);
  unsigned choice(unsigned group, const json::Value *value, const std::string &place);
  void readTies(const json::Object &root);
  void readEdges(const json::Object &root);
  void readPairs(const json::Object &root);

  AllocationProblem problem;
  StringMap<unsigned> groupIds, pointIds;
};

std::string at(StringRef list, size_t i) { return (list + "[" + Twine(i) + "]").str(); }

void ProblemReader::readHeader(const json::Object &root) {
  const json::Value *version = root.get("version");
  std::optional<int64_t> found = version ? version->getAsInteger() : std::nullopt;
  if (!found)
    return fail("version", "expected the number " + Twine(fileVersion) + ", found " + kindOf(version));
  if (*found != fileVersion)
    return fail("version", "expected " + Twine(fileVersion) + ", found " + Twine(*found) +
                               "; write the statistics again with this version of Bitwright");
  if (const json::Value *model = root.get("model"))
    if (const json::Object *names = object(model, "model")) {
      problem.model = string(*names, "name", "model.", false);
      problem.digest = string(*names, "digest", "model.", false);
    }
  problem.lossName = string(root, "loss", "", false);
  const json::Array &points = *array(root, "memory_points", "", false);
  for (size_t i = 0; i < points.size() && !failed(); ++i)
    if (const json::Object *point = object(&points[i], at("memory_points", i))) {
      std::string place = at("memory_points", i) + ".";
      problem.memoryPoints.push_back({string(*point, "name", place, true), number(*point, "fixed", place, false)});
      if (!pointIds.try_emplace(problem.memoryPoints.back().name, i).second)
        fail(place + "name", "'" + problem.memoryPoints.back().name + "' stands there twice");
    }
}

std::vector<double> ProblemReader::readCosts(const json::Object &parent, const std::string &place, bool all) {
  std::vector<double> costs(problem.metrics.size());
  const json::Value *value = parent.get("costs");
  if (!value) {
    if (all && !problem.metrics.empty())
      fail(place + "costs", "expected an object, found nothing");
    return costs;
  }
  const json::Object *object = this->object(value, place + "costs");
  if (!object)
    return costs;
  for (const auto &entry : *object) {
    std::optional<unsigned> metric = problem.findMetric(entry.first);
    if (!metric)
      fail(place + "costs." + StringRef(entry.first), "the first choice of the file has no such cost");
    else
      costs[*metric] = number(&entry.second, place + "costs." + StringRef(entry.first));
  }
  if (all)
    for (const std::string &metric : problem.metrics)
      if (!object->get(metric))
        fail(place + "costs." + metric, "expected a number, found nothing; every choice has the same costs");
  return costs;
}

void ProblemReader::readChoice(const json::Value &value, Group &group, const std::string &place) {
  const json::Object *object = this->object(&value, place);
  if (!object)
    return;
  // The first choice says which costs there are.
  if (problem.groups.empty() && group.choices.empty()) {
    std::set<std::string> names;
    if (const json::Object *costs = object->getObject("costs"))
      for (const auto &entry : *costs)
        names.insert(StringRef(entry.first).str());
    problem.metrics.assign(names.begin(), names.end());
  }
  Choice choice;
  choice.weight = string(*object, "weight", place + ".", true);
  choice.activation = string(*object, "activation", place + ".", false);
  choice.loss = number(*object, "loss", place + ".", true);
  choice.costs = readCosts(*object, place + ".", true);
  if (const json::Value *memory = object->get("memory"))
    if (const json::Object *points = this->object(memory, place + ".memory"))
      for (const auto &entry : *points) {
        auto it = pointIds.find(StringRef(entry.first));
        if (it == pointIds.end())
          fail(place + ".memory." + StringRef(entry.first), "memory_points has no such point");
        else
          choice.memory.push_back({it->second, number(&entry.second, place + ".memory." + StringRef(entry.first))});
      }
  llvm::sort(choice.memory);
  group.choices.push_back(std::move(choice));
}

void ProblemReader::readGroup(const json::Value &value, const std::string &place) {
  const json::Object *object = this->object(&value, place);
  if (!object)
    return;
  Group group;
  group.name = string(*object, "name", place + ".", true);
  group.set = string(*object, "set", place + ".", false);
  group.elements = number(*object, "elements", place + ".", false);
  const json::Array &choices = *array(*object, "choices", place + ".", true);
  if (choices.empty())
    fail(place + ".choices", "group '" + group.name + "' is empty: expected at least one choice");
  for (size_t i = 0; i < choices.size() && !failed(); ++i)
    readChoice(choices[i], group, at(place + ".choices", i));
  if (!groupIds.try_emplace(group.name, problem.groups.size()).second)
    fail(place + ".name", "group '" + group.name + "' stands there twice; names must be unique");
  problem.groups.push_back(std::move(group));
}

Side ProblemReader::readSide(const json::Object &parent, StringRef key, const std::string &place, Side missing) {
  if (!parent.get(key))
    return missing;
  std::string text = string(parent, key, place, true);
  for (Side side : {Side::Choice, Side::Weight, Side::Activation})
    if (text == nameOf(side))
      return side;
  fail(place + key, "expected 'choice', 'weight' or 'activation', found '" + text + "'");
  return missing;
}

unsigned ProblemReader::group(const json::Value *value, const std::string &place) {
  std::optional<StringRef> name = value ? value->getAsString() : std::nullopt;
  if (!name) {
    fail(place, "expected the name of a group, found " + kindOf(value));
    return 0;
  }
  auto it = groupIds.find(*name);
  if (it == groupIds.end())
    fail(place, "there is no group '" + *name + "'");
  return it == groupIds.end() ? 0 : it->second;
}

unsigned ProblemReader::choice(unsigned group, const json::Value *value, const std::string &place) {
  std::optional<StringRef> name = value ? value->getAsString() : std::nullopt;
  std::optional<unsigned> choice = name ? problem.findChoice(group, *name) : std::nullopt;
  if (!name)
    fail(place, "expected the name of a choice, found " + kindOf(value));
  else if (!choice)
    fail(place, "group '" + problem.groups[group].name + "' has no choice '" + *name + "'");
  return choice.value_or(0);
}

void ProblemReader::readTies(const json::Object &root) {
  const json::Array &ties = *array(root, "ties", "", false);
  for (size_t i = 0; i < ties.size() && !failed(); ++i) {
    std::string place = at("ties", i) + ".";
    const json::Object *object = this->object(&ties[i], at("ties", i));
    if (!object)
      return;
    Tie tie;
    tie.side = readSide(*object, "same", place, Side::Choice);
    const json::Array &groups = *array(*object, "groups", place, true);
    for (size_t k = 0; k < groups.size(); ++k)
      tie.groups.push_back(group(&groups[k], at(place + "groups", k)));
    problem.ties.push_back(std::move(tie));
  }
}

void ProblemReader::readEdges(const json::Object &root) {
  const json::Array &edges = *array(root, "edges", "", false);
  for (size_t i = 0; i < edges.size() && !failed(); ++i) {
    std::string place = at("edges", i) + ".";
    const json::Object *object = this->object(&edges[i], at("edges", i));
    if (!object)
      return;
    Edge edge;
    edge.from = group(object->get("from"), place + "from");
    edge.to = group(object->get("to"), place + "to");
    edge.fromSide = readSide(*object, "from_side", place, Side::Activation);
    edge.toSide = readSide(*object, "to_side", place, edge.fromSide);
    edge.loss = number(*object, "loss", place, false);
    edge.costs = readCosts(*object, place, false);
    problem.edges.push_back(std::move(edge));
  }
}

void ProblemReader::readPairs(const json::Object &root) {
  const json::Array &pairs = *array(root, "pairs", "", false);
  for (size_t i = 0; i < pairs.size() && !failed(); ++i) {
    std::string place = at("pairs", i) + ".";
    const json::Object *object = this->object(&pairs[i], at("pairs", i));
    if (!object)
      return;
    const json::Array &groups = *array(*object, "groups", place, true);
    const json::Array &choices = *array(*object, "choices", place, true);
    if (groups.size() != 2 || choices.size() != 2)
      return fail(at("pairs", i), "expected two groups and two choices, found " + Twine(groups.size()) + " and " +
                                      Twine(choices.size()));
    PairTerm pair;
    pair.first = group(&groups[0], place + "groups[0]");
    pair.second = group(&groups[1], place + "groups[1]");
    if (failed())
      return;
    pair.firstChoice = choice(pair.first, &choices[0], place + "choices[0]");
    pair.secondChoice = choice(pair.second, &choices[1], place + "choices[1]");
    pair.loss = number(*object, "loss", place, true);
    problem.pairs.push_back(pair);
  }
}

Expected<AllocationProblem> ProblemReader::read(const json::Value &root) {
  if (const json::Object *object = this->object(&root, "the file")) {
    readHeader(*object);
    if (!failed()) {
      const json::Array &groups = *array(*object, "groups", "", true);
      for (size_t i = 0; i < groups.size() && !failed(); ++i)
        readGroup(groups[i], at("groups", i));
    }
    if (!failed())
      readTies(*object);
    if (!failed())
      readEdges(*object);
    if (!failed())
      readPairs(*object);
  }
  if (failed())
    return take();
  return std::move(problem);
}

} // namespace

Expected<AllocationProblem> parseProblem(StringRef text, StringRef where) {
  Expected<json::Value> root = json::parse(text);
  if (!root)
    return createStringError(inconvertibleErrorCode(),
                             where + ": expected a JSON file of statistics: " + toString(root.takeError()));
  Expected<AllocationProblem> problem = ProblemReader(where).read(*root);
  if (problem)
    if (Error error = validate(*problem))
      return createStringError(inconvertibleErrorCode(), where + ": " + toString(std::move(error)));
  return problem;
}

static void printCosts(json::OStream &out, const AllocationProblem &problem, ArrayRef<double> costs) {
  out.attributeObject("costs", [&] {
    for (auto [metric, cost] : zip(problem.metrics, costs))
      out.attribute(metric, cost);
  });
}

static void printGroup(json::OStream &out, const AllocationProblem &problem, const Group &group) {
  out.attribute("name", group.name);
  if (!group.set.empty())
    out.attribute("set", group.set);
  out.attribute("elements", group.elements);
  out.attributeArray("choices", [&] {
    for (const Choice &choice : group.choices)
      out.object([&] {
        out.attribute("weight", choice.weight);
        if (!choice.activation.empty())
          out.attribute("activation", choice.activation);
        out.attribute("loss", choice.loss);
        printCosts(out, problem, choice.costs);
        if (!choice.memory.empty())
          out.attributeObject("memory", [&] {
            for (auto [point, bytes] : choice.memory)
              out.attribute(problem.memoryPoints[point].name, bytes);
          });
      });
  });
}

std::string printProblem(const AllocationProblem &problem, function_ref<void(json::OStream &)> more) {
  std::string text;
  raw_string_ostream stream(text);
  json::OStream out(stream, 1);
  auto names = [&](std::initializer_list<std::string> values) {
    for (const std::string &value : values)
      out.value(value);
  };
  out.object([&] {
    out.attribute("version", fileVersion);
    out.attributeObject("model", [&] {
      out.attribute("name", problem.model);
      out.attribute("digest", problem.digest);
    });
    out.attribute("loss", problem.lossName);
    if (!problem.memoryPoints.empty())
      out.attributeArray("memory_points", [&] {
        for (const MemoryPoint &point : problem.memoryPoints)
          out.object([&] {
            out.attribute("name", point.name);
            out.attribute("fixed", point.fixed);
          });
      });
    if (!problem.groups.empty())
      out.attributeArray("groups", [&] {
        for (const Group &group : problem.groups)
          out.object([&] { printGroup(out, problem, group); });
      });
    if (!problem.ties.empty())
      out.attributeArray("ties", [&] {
        for (const Tie &tie : problem.ties)
          out.object([&] {
            out.attributeArray("groups", [&] {
              for (unsigned group : tie.groups)
                out.value(problem.groups[group].name);
            });
            out.attribute("same", nameOf(tie.side));
          });
      });
    if (!problem.edges.empty())
      out.attributeArray("edges", [&] {
        for (const Edge &edge : problem.edges)
          out.object([&] {
            out.attribute("from", problem.groups[edge.from].name);
            out.attribute("to", problem.groups[edge.to].name);
            out.attribute("from_side", nameOf(edge.fromSide));
            out.attribute("to_side", nameOf(edge.toSide));
            out.attribute("loss", edge.loss);
            printCosts(out, problem, edge.costs);
          });
      });
    if (!problem.pairs.empty())
      out.attributeArray("pairs", [&] {
        for (const PairTerm &pair : problem.pairs)
          out.object([&] {
            const Group &first = problem.groups[pair.first], &second = problem.groups[pair.second];
            out.attributeArray("groups", [&] { names({first.name, second.name}); });
            out.attributeArray("choices", [&] {
              names({first.choices[pair.firstChoice].name(), second.choices[pair.secondChoice].name()});
            });
            out.attribute("loss", pair.loss);
          });
      });
    if (more)
      more(out);
  });
  stream << '\n';
  return text;
}

} // namespace bitwright::solver
