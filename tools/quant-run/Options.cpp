//===- Options.cpp - command line of quant-run -*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
#include "Options.h"
#include "bitwright-c/runtime.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace bitwright::quantrun;

static const char *const usage =
    "usage: quant-run FILE.bwm [options]\n"
    "  --inputs IN.npz          arrays by input name\n"
    "  --input NAME=F.npy       one array; may be repeated\n"
    "  --outputs OUT.npz        where the results go\n"
    "  --expected EXP.npz       compare the results; status 1 when |a - b| > atol + rtol * |b| anywhere\n"
    "  --atol X --rtol Y        tolerances of floats (default 1e-5, 1e-4); integers must be equal\n"
    "  --device cpu|cuda[:N]    where to run; cuda needs a driver and a file with code for the GPU\n"
    "  --threads N              threads on the CPU, default 1\n"
    "  --isa LEVEL              avx2, avx512vnni or amx; default: the environment's BITWRIGHT_ISA, else the host's "
    "best\n"
    "  --entry NAME             entry point; default: the first\n"
    "  --benchmark [--json F]   time repeated runs; without inputs, made-up ones are used\n"
    "  --runs N                 number of timed runs; default: as many as take a second, at least 10\n"
    "  --dim NAME=VALUE         dimension of made-up inputs, by name or place (x:3); default: the smallest\n"
    "  --profile                time of each launch\n"
    "  --verify                 hash the whole file before anything else\n"
    "  --self-check             hash the whole file, run the built-in probe on every level of this host, compare all "
    "integers;\n"
    "                           with --device cuda on the GPU too, launch by launch beside the CPU\n"
    "  --info                   inputs, outputs, ranges, sizes, provenance\n"
    "  --version, --help\n"
    "environment: BITWRIGHT_ISA, BITWRIGHT_CUDA_LIBRARY (the driver instead of libcuda.so.1), BITWRIGHT_CUDA_TIMEOUT\n"
    "(milliseconds after which a run on a GPU is given up)\n"
    "exit status: 0 done, 1 the input or the request is wrong, 2 wrong usage, 3 internal error\n";

static int wrong(const std::string &text) {
  std::fprintf(stderr, "quant-run: %s\n(quant-run --help lists the options)\n", text.c_str());
  return exitWrongUsage;
}

static bool splitPair(const std::string &text, std::string &name, std::string &value) {
  size_t at = text.find('=');
  if (at == std::string::npos || at == 0 || at + 1 == text.size())
    return false;
  name = text.substr(0, at);
  value = text.substr(at + 1);
  return true;
}

static bool parseInteger(const std::string &text, int64_t lo, int64_t hi, int64_t &value) {
  char *end;
  errno = 0;
  value = std::strtoll(text.c_str(), &end, 10);
  return !text.empty() && *end == 0 && errno == 0 && value >= lo && value <= hi;
}

static bool parseTolerance(const std::string &text, double &value) {
  char *end;
  value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == 0 && value >= 0;
}

int bitwright::quantrun::parseOptions(int argc, char **argv, Options &o) {
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i], value;
    bool attached = false;
    if (name.compare(0, 2, "--") == 0 && name.find('=') != std::string::npos) { // --threads=4
      value = name.substr(name.find('=') + 1);
      name.resize(name.find('='));
      attached = true;
    }
    if (name == "--help" || name == "-h") {
      std::fputs(usage, stdout);
      return exitDone;
    }
    if (name == "--version") {
      std::printf("quant-run (Bitwright) %s, host: %s\n", bw_version(), bw_host_isa());
      return exitDone;
    }
    bool *flag = name == "--benchmark"    ? &o.benchmark
                 : name == "--profile"    ? &o.profile
                 : name == "--self-check" ? &o.selfCheck
                 : name == "--info"       ? &o.info
                 : name == "--verify"     ? &o.verify
                                          : nullptr;
    if (flag) {
      if (attached)
        return wrong("option '" + name + "' takes no value");
      *flag = true;
      continue;
    }
    if (name[0] != '-') {
      if (!o.model.empty())
        return wrong("one file expected, found '" + o.model + "' and '" + name + "'");
      o.model = name;
      continue;
    }
    static const char *const withValue[] = {"--inputs", "--input",  "--outputs", "--expected", "--atol",
                                            "--rtol",   "--device", "--threads", "--isa",      "--entry",
                                            "--json",   "--runs",   "--dim"};
    bool known = false;
    for (const char *w : withValue)
      known |= name == w;
    if (!known)
      return wrong("unknown option '" + name + "'");
    if (!attached) {
      if (i + 1 == argc)
        return wrong("option '" + name + "' needs a value");
      value = argv[++i];
    }
    std::string left, right;
    int64_t number;
    if (name == "--inputs") {
      o.inputs = value;
    } else if (name == "--input") {
      if (!splitPair(value, left, right))
        return wrong("--input needs NAME=FILE.npy, found '" + value + "'");
      o.inputFiles.push_back({left, right});
    } else if (name == "--outputs") {
      o.outputs = value;
    } else if (name == "--expected") {
      o.expected = value;
    } else if (name == "--atol" || name == "--rtol") {
      if (!parseTolerance(value, name == "--atol" ? o.atol : o.rtol))
        return wrong(name + " needs a number >= 0, found '" + value + "'");
    } else if (name == "--device") {
      const bool cuda = value.compare(0, 5, "cuda:") == 0 && parseInteger(value.substr(5), 0, 9999, number);
      if (value != "cpu" && value != "cuda" && !cuda)
        return wrong("--device needs 'cpu' or 'cuda[:N]', found '" + value + "'");
      o.device = value;
    } else if (name == "--threads") {
      if (!parseInteger(value, 1, 1024, number))
        return wrong("--threads needs a number from 1 to 1024, found '" + value + "'");
      o.threads = uint32_t(number);
    } else if (name == "--runs") {
      if (!parseInteger(value, 1, 100000000, number))
        return wrong("--runs needs a number from 1 on, found '" + value + "'");
      o.runs = unsigned(number);
    } else if (name == "--isa") {
      o.isa = value;
    } else if (name == "--entry") {
      o.entry = value;
    } else if (name == "--json") {
      o.json = value;
    } else {
      if (!splitPair(value, left, right) || !parseInteger(right, 1, INT64_MAX, number))
        return wrong("--dim needs NAME=VALUE, found '" + value + "'");
      o.dims.push_back({left, number});
    }
  }
  if (o.model.empty())
    return wrong("no .bwm file given");
  if (!o.json.empty() && !o.benchmark)
    return wrong("--json belongs to --benchmark");
  return -1;
}
