//===- Recipe.cpp - what a person asks of the quantizer --------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//

#include "lib/Support/Recipe.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"
#include <optional>

using namespace llvm;

namespace bitwright {

StringRef toString(WeightClip clip) {
  switch (clip) {
  case WeightClip::AbsMax:
    return "absmax";
  case WeightClip::Mse:
    return "mse";
  case WeightClip::Percentile:
    return "percentile";
  }
  return "";
}

StringRef toString(Observer observer) {
  switch (observer) {
  case Observer::MinMax:
    return "minmax";
  case Observer::Ema:
    return "ema";
  case Observer::Percentile:
    return "percentile";
  case Observer::Mse:
    return "mse";
  case Observer::Kl:
    return "kl";
  }
  return "";
}

StringRef toString(ActivationScales scales) {
  switch (scales) {
  case ActivationScales::Static:
    return "static";
  case ActivationScales::PerToken:
    return "per_token";
  case ActivationScales::None:
    return "none";
  }
  return "";
}

bool matchesGlob(StringRef pattern, StringRef name) {
  if (pattern == name)
    return true;
  Expected<GlobPattern> glob = GlobPattern::create(pattern, /*MaxSubPatterns=*/64);
  if (!glob) {
    consumeError(glob.takeError());
    return false;
  }
  return glob->match(name);
}

//===----------------------------------------------------------------------===//
// YAML
//===----------------------------------------------------------------------===//

namespace {

/// Walks the node tree once; the first error wins.
class Parser {
public:
  Parser(StringRef text, StringRef file) : file(file), stream(text, sources, /*ShowColors=*/false, &code) {
    // A syntax error of the YAML reader itself: keep its first line and message for our own form.
    sources.setDiagHandler(
        [](const SMDiagnostic &diagnostic, void *context) {
          auto *self = static_cast<Parser *>(context);
          if (self->error.empty())
            self->error =
                (self->file + ":" + Twine(diagnostic.getLineNo()) + ": not YAML: " + diagnostic.getMessage()).str();
        },
        this);
  }

  /// `recipe` holds the values of the keys that the text leaves out.
  Expected<Recipe> run(Recipe recipe) {
    yaml::document_iterator document = stream.begin();
    if (document == stream.end() || !document->getRoot())
      return finish("is empty: expected a mapping with at least the key 'name'");
    yaml::Node *root = document->getRoot();
    if (isa<yaml::NullNode>(root))
      return finish("is empty: expected a mapping with at least the key 'name'");
    recipe.file = file;
    // The reader is a stream: each node is visited once, in order. An override starts from the recipe's own schemes,
    // which is why those must come first.
    eachKey(root, "", [&](StringRef key, unsigned line, yaml::Node *value) {
      if (key == "name")
        recipe.name = scalar(value, key);
      else if ((key == "weights" || key == "activations") && !recipe.overrides.empty())
        fail(line, Twine(key) + ": expected before 'overrides', found after it");
      else if (key == "weights")
        parseWeights(value, key, recipe.weights);
      else if (key == "activations")
        parseActivations(value, key, recipe.activations);
      else if (key == "float")
        recipe.floatStorage = oneOf(value, key, {"f32", "f16", "bf16"});
      else if (key == "keep_float") {
        recipe.keepFloat.clear();
        eachItem(value, key, [&](yaml::Node *item) { recipe.keepFloat.push_back(scalar(item, key)); });
      } else if (key == "bias_correction")
        recipe.biasCorrection = boolean(value, key);
      else if (key == "quantize")
        recipe.quantize = boolean(value, key);
      else if (key == "multiplier_bits")
        recipe.multiplierBits = unsigned(std::stoul("0" + oneOf(value, key, {"15", "23", "31"})));
      else if (key == "overrides")
        eachItem(value, key, [&](yaml::Node *item) { parseOverride(item, recipe); });
      else if (key == "budgets")
        fail(line,
             "budgets: expected no budgets in a recipe: give them to quant-compile as --budget, or choose formats "
             "with 'overrides'");
      else
        fail(line, Twine(key) +
                       ": unknown key; expected one of name, quantize, weights, activations, float, keep_float, "
                       "bias_correction, multiplier_bits, overrides, budgets");
    });
    if (error.empty() && stream.failed())
      error = file + ": not YAML";
    if (error.empty() && recipe.name.empty())
      error = file + ":1: name: expected a name for the recipe, found none";
    checkMultiplier(recipe);
    if (!error.empty())
      return createStringError(error);
    return recipe;
  }

private:
  /// INTEGER R6: p >= 15 + log2(range / 256) bits, 23 for results of 16 bits.
  void checkMultiplier(const Recipe &recipe) {
    bool wide = recipe.activations.format == "s16";
    for (const RecipeOverride &entry : recipe.overrides)
      wide |= entry.hasActivations && entry.activations.format == "s16";
    if (recipe.multiplierBits < 23 && wide)
      fail(1, "multiplier_bits: expected 23 or 31 with s16 activations (R6), found " + Twine(recipe.multiplierBits));
  }

  Expected<Recipe> finish(const Twine &text) {
    if (error.empty())
      error = (file + ":1: the recipe " + text).str();
    return createStringError(error);
  }

  unsigned lineOf(yaml::Node *node) {
    return sources.FindBufferContainingLoc(node->getSourceRange().Start)
               ? sources.getLineAndColumn(node->getSourceRange().Start).first
               : 1;
  }
  void fail(unsigned line, const Twine &text) {
    if (error.empty())
      error = (file + ":" + Twine(line) + ": " + text).str();
  }
  void fail(yaml::Node *node, const Twine &text) { fail(lineOf(node), text); }

  /// Text of a scalar; "" with an error otherwise.
  std::string scalar(yaml::Node *node, const Twine &key) {
    if (auto *value = dyn_cast_or_null<yaml::ScalarNode>(node)) {
      SmallString<32> storage;
      return value->getValue(storage).str();
    }
    if (node)
      fail(node, key + ": expected one value");
    return "";
  }
  std::string oneOf(yaml::Node *node, const Twine &key, ArrayRef<StringRef> values) {
    std::string text = scalar(node, key);
    if (node && error.empty() && !is_contained(values, text))
      fail(node,
           key + ": expected " + (values.size() > 1 ? "one of " : "") + join(values, ", ") + ", found '" + text + "'");
    return text;
  }
  bool boolean(yaml::Node *node, const Twine &key) { return oneOf(node, key, {"true", "false"}) == "true"; }
  double percent(yaml::Node *node, const Twine &key) {
    std::string text = scalar(node, key);
    double value = 0;
    if (node && (StringRef(text).getAsDouble(value) || !(value > 50 && value <= 100)))
      fail(node, key + ": expected a number of percent above 50 and at most 100, found '" + text + "'");
    return value;
  }

  void eachKey(yaml::Node *node, const Twine &where, function_ref<void(StringRef, unsigned, yaml::Node *)> visit) {
    auto *mapping = dyn_cast_or_null<yaml::MappingNode>(node);
    if (!mapping) {
      if (node)
        fail(node, (where.str().empty() ? Twine("the recipe") : where) + ": expected a mapping of keys to values");
      return;
    }
    std::vector<std::string> seen;
    for (yaml::KeyValueNode &entry : *mapping) {
      yaml::Node *keyNode = entry.getKey();
      if (!keyNode || !error.empty())
        break;
      std::string key = scalar(keyNode, "a key");
      unsigned line = lineOf(keyNode);
      if (is_contained(seen, key))
        fail(line, Twine(key) + ": expected each key once, found it again");
      seen.push_back(key);
      yaml::Node *value = entry.getValue();
      if (!error.empty() || !value)
        break;
      visit(key, line, value);
      if (!error.empty())
        break;
    }
  }
  void eachItem(yaml::Node *node, const Twine &key, function_ref<void(yaml::Node *)> visit) {
    auto *sequence = dyn_cast_or_null<yaml::SequenceNode>(node);
    if (!sequence) {
      if (node)
        fail(node, key + ": expected a list");
      return;
    }
    for (yaml::Node &item : *sequence) {
      if (!error.empty())
        break;
      visit(&item);
    }
  }

  void parseWeights(yaml::Node *node, const Twine &where, WeightScheme &scheme) {
    std::string prefix = where.str();
    eachKey(node, prefix, [&](StringRef key, unsigned line, yaml::Node *value) {
      std::string full = prefix + "." + key.str();
      if (key == "format")
        scheme.format = oneOf(value, full, {"s8", "s16", "s4", "s3", "s2"});
      else if (key == "granularity")
        parseGranularity(value, full, scheme);
      else if (key == "zero_point")
        scheme.zeroPoint = boolean(value, full);
      else if (key == "rounding")
        scheme.rounding =
            oneOf(value, full, {"nearest", "gptq"}) == "gptq" ? WeightRounding::Gptq : WeightRounding::Nearest;
      else if (key == "clip")
        scheme.clip = StringSwitch<WeightClip>(oneOf(value, full, {"absmax", "mse", "percentile"}))
                          .Case("mse", WeightClip::Mse)
                          .Case("percentile", WeightClip::Percentile)
                          .Default(WeightClip::AbsMax);
      else if (key == "percentile")
        scheme.percentile = percent(value, full);
      else
        fail(line, Twine(full) +
                       ": unknown key; expected one of format, granularity, zero_point, rounding, clip, percentile");
    });
    if (error.empty() && scheme.zeroPoint && (!scheme.group || scheme.twoLevel))
      fail(node, prefix + ".zero_point: expected granularity 'group N' with zero points, found another one");
    if (error.empty() && scheme.twoLevel && scheme.format != "s4" && scheme.format != "s3" && scheme.format != "s2")
      fail(node, prefix + ".granularity: expected format s4, s3 or s2 with two_level, found " + scheme.format);
  }
  /// axis, tensor, "group N" or "two_level N".
  void parseGranularity(yaml::Node *node, const Twine &key, WeightScheme &scheme) {
    std::string text = scalar(node, key);
    if (!node || !error.empty())
      return;
    auto [kind, size] = StringRef(text).split(' ');
    scheme.perAxis = kind != "tensor";
    scheme.group = 0;
    scheme.twoLevel = kind == "two_level";
    if ((kind == "axis" || kind == "tensor") && size.empty())
      return;
    if ((kind != "group" && kind != "two_level") || size.trim().getAsInteger(10, scheme.group) || scheme.group < 8 ||
        scheme.group % 8 || scheme.group > 65536)
      fail(node,
           key + ": expected axis, tensor, 'group N' or 'two_level N' with N a multiple of 8, found '" + text + "'");
  }
  void parseActivations(yaml::Node *node, const Twine &where, ActivationScheme &scheme) {
    std::string prefix = where.str();
    eachKey(node, prefix, [&](StringRef key, unsigned line, yaml::Node *value) {
      std::string full = prefix + "." + key.str();
      if (key == "format")
        scheme.format = oneOf(value, full, {"s8", "s16"});
      else if (key == "scales")
        scheme.scales = StringSwitch<ActivationScales>(oneOf(value, full, {"static", "per_token", "none"}))
                            .Case("per_token", ActivationScales::PerToken)
                            .Case("none", ActivationScales::None)
                            .Default(ActivationScales::Static);
      else if (key == "observer")
        scheme.observer = StringSwitch<Observer>(oneOf(value, full, {"minmax", "ema", "percentile", "mse", "kl"}))
                              .Case("ema", Observer::Ema)
                              .Case("percentile", Observer::Percentile)
                              .Case("mse", Observer::Mse)
                              .Case("kl", Observer::Kl)
                              .Default(Observer::MinMax);
      else if (key == "percentile")
        scheme.percentile = percent(value, full);
      else
        fail(line, Twine(full) + ": unknown key; expected one of format, scales, observer, percentile");
    });
    if (error.empty() && scheme.format == "s16" && scheme.scales == ActivationScales::PerToken)
      fail(node, prefix + ".format: expected s8 with a scale a token, found s16; choose scales: static");
  }
  void parseOverride(yaml::Node *node, Recipe &recipe) {
    RecipeOverride entry;
    entry.weights = recipe.weights;
    entry.activations = recipe.activations;
    entry.line = lineOf(node);
    eachKey(node, "overrides", [&](StringRef key, unsigned line, yaml::Node *value) {
      if (key == "match") {
        entry.match = scalar(value, "overrides.match");
        if (auto glob = GlobPattern::create(entry.match); !glob) {
          consumeError(glob.takeError());
          fail(line, "overrides.match: expected a glob pattern, found '" + Twine(entry.match) + "'");
        }
      } else if (key == "weights") {
        entry.hasWeights = true;
        parseWeights(value, "overrides.weights", entry.weights);
      } else if (key == "activations") {
        entry.hasActivations = true;
        parseActivations(value, "overrides.activations", entry.activations);
      } else if (key == "keep") {
        entry.hasKeep = true;
        entry.keepFloat = oneOf(value, "overrides.keep", {"float", "quantized"}) == "float";
      } else {
        fail(line, "overrides." + Twine(key) + ": unknown key; expected one of match, weights, activations, keep");
      }
    });
    if (error.empty() && entry.match.empty())
      fail(entry.line, "overrides.match: expected a pattern of operation names, found none");
    recipe.overrides.push_back(std::move(entry));
  }

  std::string file, error;
  SourceMgr sources;
  std::error_code code;
  yaml::Stream stream;
};

/// The default recipe; its choices are measured in docs/Recipes.md.
constexpr StringLiteral w8a8Text = R"(
name: w8a8
weights: {format: s8, granularity: axis, clip: mse}
activations: {format: s8, observer: percentile, percentile: 99.995}
float: f32
keep_float: [softmax, log_softmax, layer_norm, group_norm, matmul]
bias_correction: true
multiplier_bits: 31
)";
constexpr StringLiteral floatText = R"(
name: float
quantize: false
float: f32
)";

/// The others say how they differ from w8a8; what is no product stays float in them.
struct Builtin {
  StringLiteral name, text;
};
constexpr Builtin builtins[] = {
    {"float", floatText},
    {"w8a8", w8a8Text},
    {"w8a8-per-token", R"(
name: w8a8-per-token
activations: {scales: per_token}
)"},
    {"w4a8", R"(
name: w4a8
weights: {format: s4, granularity: two_level 128}
activations: {scales: per_token}
)"},
    {"w4a8-groups", R"(
name: w4a8-groups
weights: {format: s4, granularity: group 128}
activations: {scales: per_token}
)"},
    {"w4a16", R"(
name: w4a16
weights: {format: s4, granularity: group 128}
activations: {scales: none}
float: f16
)"},
    {"w8a16", R"(
name: w8a16
activations: {scales: none}
float: f16
)"},
};

} // namespace

ArrayRef<StringRef> Recipe::builtinNames() {
  static const std::vector<StringRef> names = [] {
    std::vector<StringRef> all;
    for (const Builtin &builtin : builtins)
      all.push_back(builtin.name);
    return all;
  }();
  return names;
}

bool Recipe::needsSecondMoments() const {
  return quantize &&
         (weights.rounding == WeightRounding::Gptq || llvm::any_of(overrides, [](const RecipeOverride &entry) {
            return entry.hasWeights && entry.weights.rounding == WeightRounding::Gptq;
          }));
}

bool Recipe::needsStatistics() const {
  if (!quantize)
    return false;
  return needsSecondMoments() || activations.scales == ActivationScales::Static ||
         llvm::any_of(overrides, [](const RecipeOverride &entry) {
           return entry.hasActivations && entry.activations.scales == ActivationScales::Static;
         });
}

Expected<Recipe> Recipe::parse(StringRef text, StringRef file) {
  Recipe defaults;
  if (text.data() != w8a8Text.data()) {
    defaults = cantFail(load("w8a8"));
    defaults.name.clear();
  }
  return Parser(text, file).run(std::move(defaults));
}

Expected<Recipe> Recipe::load(StringRef nameOrFile) {
  for (const Builtin &builtin : builtins)
    if (nameOrFile == builtin.name) {
      Expected<Recipe> recipe = parse(builtin.text, nameOrFile);
      if (recipe)
        recipe->file.clear();
      return recipe;
    }
  auto buffer = MemoryBuffer::getFile(nameOrFile, /*IsText=*/true);
  if (!buffer)
    return createStringError("recipe '" + nameOrFile + "': expected a built-in recipe (" + join(builtinNames(), ", ") +
                             ") or a YAML file: " + buffer.getError().message());
  return parse((*buffer)->getBuffer(), nameOrFile);
}

OpScheme Recipe::schemeFor(StringRef name, StringRef mnemonic) const {
  OpScheme scheme{weights, activations, ""};
  if (!quantize)
    scheme.keepFloat = "the recipe '" + this->name + "' quantizes nothing";
  for (const std::string &entry : keepFloat)
    if (scheme.keepFloat.empty() && (entry == mnemonic || matchesGlob(entry, name)))
      scheme.keepFloat = "keep_float: " + entry;
  for (const RecipeOverride &entry : overrides) {
    if (!matchesGlob(entry.match, name))
      continue;
    if (entry.hasWeights)
      scheme.weights = entry.weights;
    if (entry.hasActivations)
      scheme.activations = entry.activations;
    if (entry.hasKeep && quantize)
      scheme.keepFloat = entry.keepFloat ? "overrides: " + entry.match : "";
  }
  return scheme;
}

} // namespace bitwright
