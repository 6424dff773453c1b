//===- Latency.cpp - time of a network as it would be compiled --*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Evaluate/Latency.h"
#include "dialects/Kernel/Kernel.h"
#include "lib/Allocate/Plan.h"
#include "lib/CostModel/CostModel.h"
#include "lib/Evaluate/InMemoryModel.h"
#include "lib/Evaluate/LatencyTable.h"
#include "lib/Weights/WeightStore.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Pipelines/Pipelines.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/SHA256.h"
#include <chrono>
#include <ctime>

using namespace mlir;
using namespace bitwright;

namespace {

/// The lower quartile: what else runs on the machine for up to three quarters of the time does not count.
double typicalOf(std::vector<double> values) {
  if (values.empty())
    return 0;
  auto place = values.begin() + ptrdiff_t(values.size() / 4);
  std::nth_element(values.begin(), place, values.end());
  return *place;
}

/// Milliseconds. Of one thread its own time: that of other programs between two of its slices does not count.
double now(unsigned threads) {
  timespec time;
  clock_gettime(threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &time);
  return double(time.tv_sec) * 1e3 + double(time.tv_nsec) * 1e-6;
}

/// What compilations put into the weight store leaves it again.
class TemporaryWeights {
public:
  explicit TemporaryWeights(MLIRContext *context) : store(getWeightStore(context)) {
    for (const std::string &name : store.names())
      before.insert(name);
  }
  ~TemporaryWeights() {
    for (const std::string &name : store.names())
      if (!before.contains(name))
        store.erase(name);
  }

private:
  WeightStore &store;
  llvm::StringSet<> before;
};

//===----------------------------------------------------------------------===//
// A network that is timed
//===----------------------------------------------------------------------===//

class TimedModel {
public:
  static llvm::Expected<std::unique_ptr<TimedModel>> create(OwningOpRef<ModuleOp> module, const Sample &sample,
                                                            unsigned threads) {
    auto compiled = InMemoryModel::compile(std::move(module));
    if (!compiled)
      return llvm::joinErrors(llvm::createStringError("latency: the network could not be compiled"),
                              compiled.takeError());
    std::unique_ptr<TimedModel> result(new TimedModel);
    result->model = std::move(*compiled);
    result->threads = threads;
    bw_session_options options = {};
    options.threads = threads;
    options.profile = 1;
    if (bw_session_create(result->model->get(), &options, &result->session) != BW_OK)
      return runtimeError();
    if (llvm::Error error = result->bind(sample))
      return std::move(error);
    return std::move(result);
  }
  ~TimedModel() { bw_session_destroy(session); }
  TimedModel(const TimedModel &) = delete;

  /// One run; keeps its times where `keep`.
  llvm::Error run(bool keep) {
    bw_session_profile_reset(session);
    double start = now(threads);
    if (bw_run(session, 0, inputs.data(), inputs.size(), outputs.data(), outputs.size()) != BW_OK)
      return runtimeError();
    double passed = now(threads) - start;
    if (!keep)
      return llvm::Error::success();
    runs.push_back(passed);
    launches.resize(bw_session_profile_count(session, 0));
    for (size_t i = 0; i < launches.size(); ++i) {
      bw_profile_entry entry;
      if (bw_session_profile(session, 0, i, &entry) != BW_OK)
        return runtimeError();
      launches[i].push_back(double(entry.nanoseconds) * 1e-6);
    }
    return llvm::Error::success();
  }
  size_t numLaunches() const { return bw_session_profile_count(session, 0); }
  double launch(size_t i) const { return typicalOf(launches[i]); }
  double total() const { return typicalOf(runs); }
  /// What a run takes beside its launches; with it they add up to the run.
  double overhead() const {
    double rest = total();
    for (size_t i = 0; i < launches.size(); ++i)
      rest -= launch(i);
    return std::max(0.0, rest);
  }
  bw_model *getModel() const { return model->get(); }

private:
  TimedModel() = default;
  llvm::Error bind(const Sample &sample) {
    for (const auto &array : sample.inputs) {
      bw_tensor tensor = {};
      bw_tensor_info info;
      if (bw_model_input(model->get(), 0, inputs.size(), &info) != BW_OK)
        return runtimeError();
      tensor.dtype = info.dtype;
      tensor.rank = int32_t(array.shape.size());
      std::copy(array.shape.begin(), array.shape.end(), tensor.dims);
      data.push_back(std::vector<uint8_t>(array.data.begin(), array.data.end()));
      tensor.data = data.back().data();
      tensor.bytes = array.data.size();
      inputs.push_back(tensor);
    }
    outputs.resize(bw_model_output_count(model->get(), 0));
    if (bw_output_shapes(session, 0, inputs.data(), inputs.size(), outputs.data(), outputs.size()) != BW_OK)
      return runtimeError();
    for (bw_tensor &output : outputs) {
      data.push_back(std::vector<uint8_t>(output.bytes));
      output.data = data.back().data();
    }
    return llvm::Error::success();
  }

  std::unique_ptr<InMemoryModel> model;
  bw_session *session = nullptr;
  std::vector<bw_tensor> inputs, outputs;
  std::vector<std::vector<uint8_t>> data;
  std::vector<std::vector<double>> launches; ///< by launch, a time each run
  std::vector<double> runs;
  unsigned threads = 1;
};

/// Runs the models in turn, so that a machine that becomes slower favours none of them; at most two seconds each. In
/// each turn the first run brings the model's weights back into the caches.
llvm::Error timeAll(llvm::ArrayRef<TimedModel *> models) {
  constexpr unsigned perTurn = 3;
  auto start = std::chrono::steady_clock::now();
  for (unsigned turn = 0; turn < 50; ++turn) {
    std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
    if (turn >= 5 && passed.count() > 2 * double(models.size()))
      break;
    for (TimedModel *model : models)
      for (unsigned i = 0; i <= perTurn; ++i)
        if (llvm::Error error = model->run(/*keep=*/i > 0))
          return error;
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// From formats to launches
//===----------------------------------------------------------------------===//

/// Integer graph of `func` with its schemes, in a module of its own.
llvm::Expected<OwningOpRef<ModuleOp>> integerGraph(func::FuncOp func) {
  OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto clone = cast<func::FuncOp>(builder.clone(*func));
  // What only changes values is left out.
  clone.walk([&](Operation *op) {
    op->removeAttr(weightRoundingAttr);
    if (op->hasAttr(weightClipAttr))
      op->setAttr(weightClipAttr, builder.getStringAttr("absmax"));
  });
  NamedAttrList recipe(clone->getAttrOfType<DictionaryAttr>(recipeAttr));
  recipe.set("bias_correction", builder.getBoolAttr(false));
  clone->setAttr(recipeAttr, recipe.getDictionary(func.getContext()));
  // Remarks and warnings are for the compilation that the user asked for.
  std::string messages;
  ScopedDiagnosticHandler handler(func.getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
      messages += "; " + diagnostic.str();
    return success();
  });
  for (Stage stage : {Stage::Quantize, Stage::Integerize}) {
    PassManager manager(func.getContext());
    if (failed(buildStage(manager, stage, {})) || failed(manager.run(*module)))
      return llvm::createStringError("latency: the network with other formats fails in stage " + getName(stage) +
                                     messages);
  }
  return std::move(module);
}

/// Which unit a name of the lowered graph belongs to: passes append "/what" to the names of what they start from.
class Owners {
public:
  explicit Owners(const AllocationUnits &units) {
    SmallVector<int> unitOfClass(units.classes.size(), -1);
    for (auto [index, unit] : llvm::enumerate(units.units)) {
      if (unit.product)
        byProduct[unit.name] = int(index);
      if (unit.activation >= 0 && unitOfClass[size_t(unit.activation)] < 0)
        unitOfClass[size_t(unit.activation)] = int(index);
    }
    for (auto [index, entry] : llvm::enumerate(units.classes))
      for (Value value : entry.values)
        byValue[getValueName(value)] = unitOfClass[index];
  }
  int ofProduct(StringRef name) const { return find(byProduct, name); }
  /// The unit whose choice has the format of a value; of several (they are tied) the first.
  int ofValue(StringRef name) const { return find(byValue, name); }

private:
  static int find(const llvm::StringMap<int> &map, StringRef name) {
    for (;;) {
      if (auto it = map.find(name); it != map.end())
        return it->getValue();
      size_t slash = name.rfind('/');
      if (slash == StringRef::npos)
        return -1;
      name = name.take_front(slash);
    }
  }
  llvm::StringMap<int> byProduct, byValue;
};

bool isProductOp(Operation *op) {
  StringRef name = op->getName().stripDialect();
  return name.starts_with("conv") || name.starts_with("linear") || name == "matmul";
}

struct Launch {
  std::string kernel; ///< what it computes, see describe()
  int owner = -1;     ///< unit; -1: none
};

void printShape(llvm::raw_ostream &os, Value value, const DimensionValues &dims) {
  for (int64_t extent : dims.shapeOf(value))
    os << extent << "x";
  os << cast<RankedTensorType>(value.getType()).getElementType();
}

/// Whether an attribute changes the code and not only numbers in it.
bool isStructural(NamedAttribute attr) {
  StringRef name = attr.getName();
  if (name == "name" || name.starts_with("qnn.") || name.contains("zero_point") || name == "multiplier" ||
      name == "shift" || name == "value" || name == "clamp")
    return false;
  if (auto array = dyn_cast<DenseArrayAttr>(attr.getValue()))
    return array.size() <= 16;
  return !isa<FloatAttr, AffineMapAttr, ElementsAttr, DictionaryAttr>(attr.getValue());
}

/// The name of a fused operation's kernel in latency tables: template, shapes for the sample, operations; what else
/// changes the code is in a digest at the end.
std::string describe(kernel::FusedOp fused, const DimensionValues &dims) {
  std::string text, details;
  llvm::raw_string_ostream os(text), all(details);
  os << kernel::stringifyTemplate(*fused.getKind()) << " (";
  llvm::interleave(fused.getInputs(), os, [&](Value v) { printShape(os, v, dims); }, ", ");
  os << ") -> ";
  llvm::interleave(fused.getOutputs(), os, [&](Value v) { printShape(os, v, dims); }, ", ");
  os << ":";
  if (auto layouts = fused.getOperandLayouts())
    all << *layouts;
  if (auto layouts = fused.getResultLayouts())
    all << *layouts;
  for (Operation &op : fused.getBlock().without_terminator()) {
    if (!isa<qnn::ConstantOp>(op))
      os << " " << op.getName().stripDialect();
    all << op.getName();
    for (Value operand : op.getOperands()) {
      all << " ";
      // Whose result, by number: names differ from model to model.
      if (auto argument = dyn_cast<BlockArgument>(operand))
        all << "a" << argument.getArgNumber();
      else
        all << std::distance(fused.getBlock().begin(), operand.getDefiningOp()->getIterator());
      printShape(all, operand, dims);
    }
    for (NamedAttribute attr : op.getAttrs())
      if (isStructural(attr))
        all << " " << attr.getName().strref() << "=" << attr.getValue();
    all << "\n";
    if (isProductOp(&op)) {
      if (auto groups = op.getAttrOfType<IntegerAttr>("groups"); groups && groups.getInt() != 1)
        os << " groups " << groups.getInt();
      if (auto strides = op.getAttrOfType<DenseI64ArrayAttr>("strides")) {
        os << " strides ";
        llvm::interleave(strides.asArrayRef(), os, "x");
      }
    }
  }
  // An input that is a constant is packed when the network is compiled.
  for (Value input : fused.getInputs())
    all << (isa_and_nonnull<qnn::WeightOp, qnn::ConstantOp>(input.getDefiningOp()) ? "c" : "v");
  llvm::SHA256 digest;
  digest.update(details);
  return text + " #" + llvm::toHex(digest.final(), /*LowerCase=*/true).substr(0, 12);
}

/// A pair of formats for the whole network.
struct Variant {
  std::string weight, activation;
  SmallVector<unsigned> choices; ///< of each unit
  OwningOpRef<ModuleOp> graph;   ///< integer graph, consumed when it is compiled
  OwningOpRef<ModuleOp> fused;
  SmallVector<Launch> launches;
  std::unique_ptr<TimedModel> timed;
  bool known = true; ///< its times were in the table

  func::FuncOp fusedFunc() { return *fused->getOps<func::FuncOp>().begin(); }
  std::string overheadName() const { return "run of " + std::to_string(launches.size()) + " launches, beside them"; }
};

llvm::Error buildGraphs(Variant &variant, func::FuncOp func, const solver::AllocationProblem &problem,
                        const Sample &sample, const Owners &owners) {
  // The plan is written into a copy: `func` keeps its schemes.
  OwningOpRef<ModuleOp> planned = ModuleOp::create(func.getLoc());
  auto clone = cast<func::FuncOp>(OpBuilder::atBlockEnd(planned->getBody()).clone(*func));
  FormatPlan plan = planOf(problem, variant.choices);
  plan.digest.clear();
  if (llvm::Error error = applyPlan(clone, plan))
    return error;
  auto graph = integerGraph(clone);
  if (!graph)
    return graph.takeError();
  variant.graph = std::move(*graph);
  variant.fused = variant.graph->clone();
  PassManager manager(func.getContext());
  if (failed(buildStage(manager, Stage::Fuse, {})) || failed(manager.run(*variant.fused)))
    return llvm::createStringError("latency: the network with " + variant.weight + "/" + variant.activation +
                                   " cannot be fused");
  auto dims = DimensionValues::create(variant.fusedFunc(), sample);
  if (!dims)
    return dims.takeError();
  for (auto fused : variant.fusedFunc().getOps<kernel::FusedOp>()) {
    if (fused.getKind() == kernel::Template::Alias)
      continue;
    Launch launch{describe(fused, *dims), -1};
    for (Operation &op : fused.getBlock().without_terminator())
      if (launch.owner < 0 && isProductOp(&op))
        launch.owner = owners.ofProduct(getName(&op));
    for (Value result : fused.getOutputs())
      if (launch.owner < 0)
        launch.owner = owners.ofValue(getValueName(result));
    variant.launches.push_back(std::move(launch));
  }
  return llvm::Error::success();
}

/// A network for every pair of formats that a choice has.
SmallVector<Variant> variantsOf(const solver::AllocationProblem &problem, const AllocationUnits &units) {
  size_t count = units.units.size();
  // A class takes a format if all its readers have it.
  auto isPossible = [&](int classIndex, StringRef format) {
    for (size_t u = 0; u < count; ++u)
      if (units.units[u].activation == classIndex &&
          llvm::none_of(problem.groups[u].choices, [&](const auto &c) { return c.activation == format; }))
        return false;
    return true;
  };
  SmallVector<Variant> variants;
  auto add = [&](StringRef weight, StringRef activation) {
    for (const Variant &variant : variants)
      if (variant.weight == weight && variant.activation == activation)
        return;
    Variant variant{weight.str(), activation.str(), {}, {}, {}, {}, nullptr, true};
    SmallVector<std::string> formats;
    for (auto [index, entry] : llvm::enumerate(units.classes)) {
      formats.push_back(activation.str());
      if (isPossible(int(index), activation))
        continue;
      for (const std::string &other : llvm::reverse(entry.formats))
        if (isPossible(int(index), other))
          formats.back() = other; // the first one in the end
    }
    for (size_t u = 0; u < count; ++u) {
      const auto &choices = problem.groups[u].choices;
      int classIndex = units.units[u].activation;
      unsigned best = 0;
      int bestScore = -1;
      for (auto [index, choice] : llvm::enumerate(choices)) {
        int score = (classIndex < 0 || choice.activation == formats[size_t(classIndex)] ? 2 : 0) +
                    (choice.weight == weight ? 1 : 0);
        if (score > bestScore)
          best = unsigned(index), bestScore = score;
      }
      variant.choices.push_back(best);
    }
    // Another pair may come to the same network.
    for (const Variant &other : variants)
      if (other.choices == variant.choices)
        return;
    variants.push_back(std::move(variant));
  };
  // Pairs of products first; activations alone take what is left.
  for (bool products : {true, false})
    for (size_t u = 0; u < count; ++u)
      if (bool(units.units[u].product) == products)
        for (const solver::Choice &choice : problem.groups[u].choices) {
          bool known = !products && llvm::any_of(variants, [&](const Variant &v) {
            return problem.groups[u].choices[v.choices[u]].activation == choice.activation;
          });
          if (!known)
            add(choice.weight, choice.activation);
        }
  if (variants.empty())
    add("", "");
  return variants;
}

} // namespace

//===----------------------------------------------------------------------===//
// One plan
//===----------------------------------------------------------------------===//

llvm::Expected<std::vector<MeasuredPlan>> bitwright::measureLatencies(llvm::ArrayRef<func::FuncOp> funcs,
                                                                      const Sample &sample, unsigned threads) {
  if (funcs.empty())
    return std::vector<MeasuredPlan>();
  func::FuncOp first = funcs.front();
  TemporaryWeights temporary(first.getContext());
  std::vector<std::unique_ptr<TimedModel>> timed;
  std::vector<TimedModel *> models;
  for (func::FuncOp func : funcs) {
    auto graph = integerGraph(func);
    if (!graph)
      return graph.takeError();
    auto model = TimedModel::create(std::move(*graph), sample, threads);
    if (!model)
      return model.takeError();
    models.push_back(model->get());
    timed.push_back(std::move(*model));
  }
  if (llvm::Error error = timeAll(models))
    return std::move(error);
  std::vector<MeasuredPlan> results;
  for (TimedModel *model : models) {
    bw_model_stats stats;
    if (bw_model_get_stats(model->getModel(), &stats) != BW_OK)
      return runtimeError();
    results.push_back({model->total(), stats.arena_bytes, stats.weight_bytes});
  }
  return results;
}

llvm::Expected<MeasuredPlan> bitwright::measureLatency(func::FuncOp func, const Sample &sample, unsigned threads) {
  auto results = measureLatencies({func}, sample, threads);
  if (!results)
    return results.takeError();
  return results->front();
}

//===----------------------------------------------------------------------===//
// All choices
//===----------------------------------------------------------------------===//

static llvm::Error addLatency(solver::AllocationProblem &problem, SmallVector<Variant> &variants, const Sample &sample,
                              const CostOptions &options) {
  auto read = LatencyTable::read(options.latencyTable);
  if (!read)
    return read.takeError();
  LatencyTable table = std::move(*read);
  std::string chip = LatencyTable::thisChip(options.threads);
  std::vector<TimedModel *> models;
  for (auto [index, variant] : llvm::enumerate(variants)) {
    variant.known = table.find(chip, variant.overheadName()).has_value();
    for (const Launch &launch : variant.launches)
      variant.known &= table.find(chip, launch.kernel).has_value();
    if (variant.known)
      continue;
    auto timed = TimedModel::create(std::move(variant.graph), sample, options.threads);
    if (!timed)
      return timed.takeError();
    variant.timed = std::move(*timed);
    if (variant.timed->numLaunches() != variant.launches.size())
      return llvm::createStringError("latency: expected " + llvm::Twine(variant.launches.size()) + " launches, found " +
                                     llvm::Twine(variant.timed->numLaunches()));
    models.push_back(variant.timed.get());
    if (options.progress)
      options.progress(index + 1, variants.size() + 1);
  }
  if (!models.empty()) {
    if (llvm::Error error = timeAll(models))
      return error;
    // A kernel that occurs several times, also in several networks, has one time.
    llvm::StringMap<std::vector<double>> found;
    for (const Variant &variant : variants)
      if (variant.timed) {
        for (auto [index, launch] : llvm::enumerate(variant.launches))
          found[launch.kernel].push_back(variant.timed->launch(index));
        found[variant.overheadName()].push_back(variant.timed->overhead());
      }
    for (const auto &entry : found)
      if (!table.find(chip, entry.getKey())) {
        double sum = 0;
        for (double time : entry.getValue())
          sum += time;
        table.set(chip, entry.getKey(), sum / double(entry.getValue().size()));
      }
    if (!options.latencyTable.empty())
      if (llvm::Error error = table.write(options.latencyTable))
        return error;
  }
  if (options.progress)
    options.progress(variants.size() + 1, variants.size() + 1);

  // Times by network and group; the last group is what no unit has.
  size_t rest = problem.groups.size() - 1;
  std::vector<std::vector<double>> times(variants.size(), std::vector<double>(problem.groups.size()));
  std::vector<double> rests;
  for (auto [index, variant] : llvm::enumerate(variants)) {
    for (const Launch &launch : variant.launches)
      times[index][launch.owner < 0 ? rest : size_t(launch.owner)] += *table.find(chip, launch.kernel);
    rests.push_back(times[index][rest] + *table.find(chip, variant.overheadName()));
  }
  problem.metrics.push_back("latency");
  for (size_t g = 0; g < rest; ++g)
    for (auto [c, choice] : llvm::enumerate(problem.groups[g].choices)) {
      // The network in which the unit has the choice; else one that shares as much as possible with it.
      size_t best = 0;
      int bestScore = -1;
      for (auto [v, variant] : llvm::enumerate(variants)) {
        const solver::Choice &there = problem.groups[g].choices[variant.choices[g]];
        bool same = variant.weight == choice.weight && variant.activation == choice.activation;
        int score = (variant.choices[g] == c ? 4 : 0) + (there.activation == choice.activation ? 2 : 0) +
                    (there.weight == choice.weight ? 1 : 0);
        score = score * 2 + same;
        if (score > bestScore)
          best = v, bestScore = score;
      }
      choice.costs.push_back(times[best][g]);
    }
  problem.groups[rest].choices[0].costs.push_back(typicalOf(rests));
  return llvm::Error::success();
}

/// Memory points from the first network: all have the same values, in other formats.
static llvm::Error addMemory(solver::AllocationProblem &problem, Variant &variant, const Owners &owners) {
  func::FuncOp func = variant.fusedFunc();
  auto dims = DimensionValues::largest(func);
  if (!dims)
    return dims.takeError();
  std::vector<std::string> steps;
  std::vector<LiveTensor> tensors;
  llvm::DenseMap<Value, size_t> tensorOf; // values in the arena
  llvm::DenseSet<Value> results;          // in the caller's memory
  auto storageOf = [](Value value) {
    while (auto alias = value.getDefiningOp<kernel::FusedOp>()) {
      if (alias.getKind() != kernel::Template::Alias)
        break;
      value = alias.getInputs()[0];
    }
    return value;
  };
  for (Value value : func.getBody().front().getTerminator()->getOperands())
    results.insert(storageOf(value));
  for (auto fused : func.getOps<kernel::FusedOp>()) {
    if (fused.getKind() == kernel::Template::Alias)
      continue;
    unsigned step = unsigned(steps.size());
    steps.push_back(getName(fused).str());
    for (Value input : fused.getInputs())
      if (auto it = tensorOf.find(storageOf(input)); it != tensorOf.end())
        tensors[it->second].last = step;
    for (Value output : fused.getOutputs()) {
      if (results.contains(output))
        continue;
      Type element = cast<RankedTensorType>(output.getType()).getElementType();
      LiveTensor tensor{getValueName(output), step, step, dims->elementsOf(output), -1, 0};
      // Codes have their class's width; what else is stored keeps its own.
      tensor.fixedBits = std::max(8u, element.getIntOrFloatBitWidth());
      if (element.isInteger(8) || element.isInteger(16))
        tensor.group = owners.ofValue(tensor.name);
      tensorOf[output] = tensors.size();
      tensors.push_back(std::move(tensor));
    }
  }
  return addActivationMemory(problem, steps, tensors);
}

llvm::Error bitwright::addMeasuredCosts(solver::AllocationProblem &problem, func::FuncOp func,
                                        const AllocationUnits &units, const Sample &sample,
                                        const CostOptions &options) {
  TemporaryWeights temporary(func.getContext());
  Owners owners(units);
  SmallVector<Variant> variants = variantsOf(problem, units);
  if (!options.latency)
    variants.resize(1);
  for (Variant &variant : variants)
    if (llvm::Error error = buildGraphs(variant, func, problem, sample, owners))
      return error;
  if (options.latency)
    if (llvm::Error error = addLatency(problem, variants, sample, options))
      return error;
  return options.peakMemory ? addMemory(problem, variants.front(), owners) : llvm::Error::success();
}
