//===- Recipe.h - what a person asks of the quantizer ----------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// A recipe is a built-in name (`float`, `w8a8`, `w4a8`, ...) or a YAML file; docs/Recipes.md lists the keys. Errors
// read "FILE:LINE: KEY: expected ..., found ...". Keys that a file leaves out have the values of `w8a8`.
//
//===----------------------------------------------------------------------===//

#ifndef BITWRIGHT_LIB_SUPPORT_RECIPE_H
#define BITWRIGHT_LIB_SUPPORT_RECIPE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace bitwright {

/// How the range of a weight slice is chosen.
enum class WeightClip { AbsMax, Mse, Percentile };
/// How codes of weights are chosen: the nearest ones, or with the second moments of the input (METHODS #18).
enum class WeightRounding { Nearest, Gptq };
/// How the range of an activation is chosen from its statistics.
enum class Observer { MinMax, Ema, Percentile, Mse, Kl };

llvm::StringRef toString(WeightClip clip);
llvm::StringRef toString(Observer observer);

struct WeightScheme {
  std::string format = "s8"; ///< s8, s16, s4, s3 or s2; symmetric (zero point 0) unless `zeroPoint`
  bool perAxis = true;       ///< one scale an output channel, else one for the tensor
  int64_t group = 0;         ///< > 0: one scale for so many inputs of an output channel (linear layers)
  bool twoLevel = false;     ///< groups are integers inside an 8-bit row (INTEGER R16), not float scales
  bool zeroPoint = false;    ///< float groups with a zero point each
  WeightClip clip = WeightClip::AbsMax;
  WeightRounding rounding = WeightRounding::Nearest;
  double percentile = 99.99; ///< percent of |w| inside the range (clip: percentile)
};

/// Where the scales of activations come from.
enum class ActivationScales {
  Static,   ///< one a tensor, from calibration
  PerToken, ///< one a row of the last dimension, found at run time (INTEGER Q3); linear layers only
  None,     ///< activations stay float: only weights are quantized
};
llvm::StringRef toString(ActivationScales scales);

struct ActivationScheme {
  std::string format = "s8";
  ActivationScales scales = ActivationScales::Static;
  Observer observer = Observer::MinMax;
  double percentile = 99.99; ///< percent of the values inside the range on each side (observer: percentile)
};

/// What the recipe says about one operation.
struct OpScheme {
  WeightScheme weights;
  ActivationScheme activations;
  /// Not empty: the operation stays in float, for this reason.
  std::string keepFloat;
};

struct RecipeOverride {
  std::string match; ///< glob over operation names
  unsigned line = 0;
  bool hasWeights = false, hasActivations = false, hasKeep = false;
  WeightScheme weights;
  ActivationScheme activations;
  bool keepFloat = false;
};

struct Recipe {
  std::string name;
  std::string file;     ///< empty for a built-in recipe
  bool quantize = true; ///< false: everything stays float
  WeightScheme weights;
  ActivationScheme activations;
  std::string floatStorage = "f32";
  /// Operation kinds (mnemonics of the qnn dialect) or globs over operation names.
  std::vector<std::string> keepFloat;
  bool biasCorrection = true;
  unsigned multiplierBits = 31; ///< 15, 23 or 31 (INTEGER R2)
  std::vector<RecipeOverride> overrides;

  /// A built-in recipe by name, otherwise the file of that path.
  static llvm::Expected<Recipe> load(llvm::StringRef nameOrFile);
  /// Parses YAML text; `file` is what messages call it.
  static llvm::Expected<Recipe> parse(llvm::StringRef text, llvm::StringRef file);
  static llvm::ArrayRef<llvm::StringRef> builtinNames();
  /// Some weights are rounded with second moments.
  bool needsSecondMoments() const;
  /// Some scheme takes its scales from calibration, or its rounding (bias correction only uses statistics that are
  /// there).
  bool needsStatistics() const;

  /// The scheme of the operation `name` of kind `mnemonic` ("conv"): defaults, then keep_float, then overrides in
  /// order.
  OpScheme schemeFor(llvm::StringRef name, llvm::StringRef mnemonic) const;
};

/// Glob match (*, ?, [a-z], {a,b}) over a whole name; a pattern that does not parse matches only itself.
bool matchesGlob(llvm::StringRef pattern, llvm::StringRef name);

} // namespace bitwright

#endif
