//===- Extension.cpp - the C API for Python ----------------------*- C++ -*-===//
//
// Part of Bitwright. Licensed under Apache-2.0 WITH LLVM-exception.
//
//===----------------------------------------------------------------------===//
//
// As thin as possible: names, dtypes and NumPy arrays go in and out; shapes of
// outputs, allocation and everything that needs no C++ is in bitwright/runtime.py.
//
//===----------------------------------------------------------------------===//
#include "bitwright-c/runtime.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace nb = nanobind;

namespace {
struct RuntimeFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(bw_status status) {
  switch (status) {
  case BW_OK:
    return;
  case BW_INVALID_ARGUMENT:
    throw nb::value_error(bw_last_error());
  case BW_IO_ERROR:
    PyErr_SetString(PyExc_OSError, bw_last_error());
    throw nb::python_error();
  case BW_OUT_OF_MEMORY:
    PyErr_SetString(PyExc_MemoryError, bw_last_error());
    throw nb::python_error();
  default:
    throw RuntimeFailure(bw_last_error());
  }
}

bw_dtype parseDtype(const std::string &name) {
  for (int i = 0; bw_dtype_bits(bw_dtype(i)) != 0; ++i)
    if (name == bw_dtype_name(bw_dtype(i)))
      return bw_dtype(i);
  throw nb::value_error(("unknown element type '" + name + "'").c_str());
}

/// Name, dtype, array. The dtype is said apart because NumPy knows no bfloat16.
using Input = std::tuple<std::string, std::string, nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>>;
using Output = std::tuple<std::string, std::string, nb::ndarray<nb::c_contig, nb::device::cpu>>;

template <typename Array> bw_tensor describe(const std::tuple<std::string, std::string, Array> &value) {
  const auto &[name, dtype, array] = value;
  bw_tensor t = {};
  t.name = name.c_str();
  t.dtype = parseDtype(dtype);
  if (array.ndim() > BW_MAX_RANK)
    throw nb::value_error(("array '" + name + "' has rank " + std::to_string(array.ndim()) + ", at most " +
                           std::to_string(BW_MAX_RANK) + " is possible")
                              .c_str());
  t.rank = int32_t(array.ndim());
  for (size_t i = 0; i < array.ndim(); ++i)
    t.dims[i] = int64_t(array.shape(i));
  t.data = const_cast<void *>(static_cast<const void *>(array.data()));
  t.bytes = array.size() * array.itemsize();
  return t;
}

class Model {
public:
  Model(const std::string &path, bool verify) {
    check(bw_model_load_file(path.c_str(), verify ? BW_LOAD_VERIFY_ALL : 0, &handle));
  }
  Model(nb::bytes bytes, bool verify) {
    check(bw_model_load_memory(bytes.c_str(), bytes.size(), verify ? BW_LOAD_VERIFY_ALL : 0, &handle));
  }
  ~Model() { bw_model_destroy(handle); }
  Model(const Model &) = delete;

  nb::list entries() const {
    nb::list l;
    for (size_t i = 0; i < bw_model_entry_count(handle); ++i)
      l.append(nb::str(bw_model_entry_name(handle, i)));
    return l;
  }
  /// [(name, dtype, [dimension as text], [lo], [hi], scales or None, zero points or None, axis)]
  nb::list tensors(size_t entry, bool isInput) const {
    nb::list l;
    size_t count = isInput ? bw_model_input_count(handle, entry) : bw_model_output_count(handle, entry);
    for (size_t i = 0; i < count; ++i) {
      bw_tensor_info t;
      check(isInput ? bw_model_input(handle, entry, i, &t) : bw_model_output(handle, entry, i, &t));
      nb::list dims, lo, hi;
      for (int32_t d = 0; d < t.rank; ++d) {
        dims.append(nb::str(t.dims[d]));
        lo.append(t.dim_lo[d]);
        hi.append(t.dim_hi[d]);
      }
      nb::object scales = nb::none(), zeroPoints = nb::none();
      if (t.quantized) {
        nb::list s, z;
        for (size_t k = 0; k < t.scale_count; ++k)
          s.append(t.scales[k]);
        for (size_t k = 0; k < t.zero_point_count; ++k)
          z.append(t.zero_points[k]);
        scales = s;
        zeroPoints = z;
      }
      l.append(nb::make_tuple(t.name, bw_dtype_name(t.dtype), dims, lo, hi, scales, zeroPoints, t.axis));
    }
    return l;
  }
  /// [(name, lo, hi, divisor)]
  nb::list symbols() const {
    nb::list l;
    for (size_t i = 0; i < bw_model_symbol_count(handle); ++i) {
      bw_symbol_info s;
      check(bw_model_symbol(handle, i, &s));
      l.append(nb::make_tuple(s.name, s.lo, s.hi, s.divisor));
    }
    return l;
  }
  nb::dict properties() const {
    nb::dict d;
    for (size_t i = 0; i < bw_model_property_count(handle); ++i) {
      const char *key, *value;
      check(bw_model_property(handle, i, &key, &value));
      d[key] = nb::str(value);
    }
    return d;
  }

  bw_model *handle = nullptr;
};

/// Whoever else's array, taken over through the DLPack protocol: keeps it alive and says where it is.
class Dlpack {
public:
  explicit Dlpack(nb::ndarray<> array) : array(std::move(array)) {}
  uintptr_t address() const { return reinterpret_cast<uintptr_t>(array.data()); }
  std::vector<int64_t> shape() const {
    std::vector<int64_t> r;
    for (size_t i = 0; i < array.ndim(); ++i)
      r.push_back(int64_t(array.shape(i)));
    return r;
  }
  /// In elements.
  std::vector<int64_t> strides() const {
    std::vector<int64_t> r;
    for (size_t i = 0; i < array.ndim(); ++i)
      r.push_back(array.stride(i));
    return r;
  }
  /// DLPack's type code, bits and lanes.
  std::tuple<int, int, int> dtype() const { return {array.dtype().code, array.dtype().bits, array.dtype().lanes}; }
  /// DLPack's device type and number.
  std::tuple<int, int> device() const { return {array.device_type(), array.device_id()}; }

private:
  nb::ndarray<> array;
};

class DeviceMemory {
public:
  DeviceMemory(bw_session *session, size_t bytes) { check(bw_device_memory_create(session, bytes, &handle)); }
  ~DeviceMemory() { bw_device_memory_destroy(handle); }
  DeviceMemory(const DeviceMemory &) = delete;
  uintptr_t address() const { return reinterpret_cast<uintptr_t>(bw_device_memory_data(handle)); }
  void write(nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu> from) {
    check(bw_device_memory_write(handle, from.data(), from.size() * from.itemsize()));
  }
  void read(nb::ndarray<nb::c_contig, nb::device::cpu> to) const {
    check(bw_device_memory_read(handle, to.data(), to.size() * to.itemsize()));
  }

private:
  bw_device_memory *handle = nullptr;
};

/// An array anywhere: name, dtype, address, shape, bytes, device number or -1 for the host.
using Place = std::tuple<std::string, std::string, uintptr_t, std::vector<int64_t>, size_t, int>;

bw_tensor describePlace(const Place &place) {
  const auto &[name, dtype, address, shape, bytes, device] = place;
  bw_tensor t = {};
  t.name = name.c_str();
  t.dtype = parseDtype(dtype);
  if (shape.size() > BW_MAX_RANK)
    throw nb::value_error(("array '" + name + "' has rank " + std::to_string(shape.size()) + ", at most " +
                           std::to_string(BW_MAX_RANK) + " is possible")
                              .c_str());
  t.rank = int32_t(shape.size());
  for (size_t i = 0; i < shape.size(); ++i)
    t.dims[i] = shape[i];
  t.data = reinterpret_cast<void *>(address);
  t.bytes = bytes;
  if (device >= 0) {
    t.device = BW_DEVICE_CUDA;
    t.device_index = device;
  }
  return t;
}

class Session {
public:
  Session(Model &model, uint32_t threads, const std::optional<std::string> &isa, bool profile,
          const std::string &device) {
    bw_session_options options = {};
    options.threads = threads;
    options.isa = isa ? isa->c_str() : nullptr;
    options.profile = profile;
    options.device = device.c_str();
    bw_status status;
    {
      nb::gil_scoped_release release; // packing and upload take time
      status = bw_session_create(model.handle, &options, &handle);
    }
    check(status);
  }
  ~Session() { bw_session_destroy(handle); }
  Session(const Session &) = delete;

  std::string isa() const { return bw_session_isa(handle); }
  uint32_t threads() const { return bw_session_threads(handle); }
  std::string device() const { return bw_session_device(handle); }
  std::string deviceName() const { return bw_session_device_name(handle); }
  DeviceMemory *allocate(size_t bytes) { return new DeviceMemory(handle, bytes); }
  void synchronize() {
    bw_status status;
    {
      nb::gil_scoped_release release;
      status = bw_session_synchronize(handle);
    }
    check(status);
  }

  /// Shapes of the outputs, in order, for inputs anywhere.
  std::vector<std::vector<int64_t>> placedShapes(size_t entry, const std::vector<Place> &inputs, size_t outputCount) {
    std::vector<bw_tensor> in, out(outputCount, bw_tensor{});
    for (const Place &i : inputs)
      in.push_back(describePlace(i));
    check(bw_output_shapes(handle, entry, in.data(), in.size(), out.data(), out.size()));
    std::vector<std::vector<int64_t>> shapes;
    for (const bw_tensor &t : out)
      shapes.emplace_back(t.dims, t.dims + t.rank);
    return shapes;
  }

  /// With arrays anywhere, on a stream of the caller's (its handle; 0 and 1: the legacy default stream).
  void runOnStream(size_t entry, const std::vector<Place> &inputs, const std::vector<Place> &outputs,
                   uintptr_t stream) {
    std::vector<bw_tensor> in, out;
    for (const Place &i : inputs)
      in.push_back(describePlace(i));
    for (const Place &o : outputs)
      out.push_back(describePlace(o));
    bw_status status;
    {
      nb::gil_scoped_release release;
      status = bw_run_on_stream(handle, entry, in.data(), in.size(), out.data(), out.size(),
                                reinterpret_cast<void *>(stream));
    }
    check(status);
  }

  /// Shapes of the outputs, in order, for inputs of these shapes.
  std::vector<std::vector<int64_t>> outputShapes(size_t entry, const std::vector<Input> &inputs, size_t outputCount) {
    std::vector<bw_tensor> in, out(outputCount, bw_tensor{});
    for (const Input &i : inputs)
      in.push_back(describe(i));
    check(bw_output_shapes(handle, entry, in.data(), in.size(), out.data(), out.size()));
    std::vector<std::vector<int64_t>> shapes;
    for (const bw_tensor &t : out)
      shapes.emplace_back(t.dims, t.dims + t.rank);
    return shapes;
  }

  void run(size_t entry, const std::vector<Input> &inputs, const std::vector<Output> &outputs) {
    std::vector<bw_tensor> in, out;
    for (const Input &i : inputs)
      in.push_back(describe(i));
    for (const Output &o : outputs)
      out.push_back(describe(o));
    bw_status status;
    {
      nb::gil_scoped_release release;
      status = bw_run(handle, entry, in.data(), in.size(), out.data(), out.size());
    }
    check(status);
  }

  size_t selfCheck() {
    size_t compared = 0;
    check(bw_self_check(handle, &compared));
    return compared;
  }

  /// [(launch, kernel, note, calls, nanoseconds)]
  nb::list profile(size_t entry) const {
    nb::list l;
    for (size_t i = 0; i < bw_session_profile_count(handle, entry); ++i) {
      bw_profile_entry p;
      check(bw_session_profile(handle, entry, i, &p));
      l.append(nb::make_tuple(p.launch, p.kernel, p.note, p.calls, p.nanoseconds));
    }
    return l;
  }

private:
  bw_session *handle = nullptr;
};
} // namespace

NB_MODULE(_runtime, m) {
  m.doc() = "Bindings of bitwright-c/runtime.h; use the package `bitwright` instead.";
  nb::exception<RuntimeFailure>(m, "Error", PyExc_RuntimeError);
  m.def("version", [] { return std::string(bw_version()); });
  m.def("host_isa", [] { return std::string(bw_host_isa()); });
  nb::class_<Model>(m, "Model")
      .def(nb::init<const std::string &, bool>(), nb::arg("path"), nb::arg("verify"))
      .def(nb::init<nb::bytes, bool>(), nb::arg("content"), nb::arg("verify"))
      .def("entries", &Model::entries)
      .def("tensors", &Model::tensors, nb::arg("entry"), nb::arg("is_input"))
      .def("symbols", &Model::symbols)
      .def("properties", &Model::properties);
  m.def("cuda_device_count", [] {
    size_t count = 0;
    check(bw_cuda_device_count(&count));
    return count;
  });
  nb::class_<Dlpack>(m, "Dlpack")
      .def(nb::init<nb::ndarray<>>(), nb::arg("capsule"))
      .def_prop_ro("address", &Dlpack::address)
      .def_prop_ro("shape", &Dlpack::shape)
      .def_prop_ro("strides", &Dlpack::strides)
      .def_prop_ro("dtype", &Dlpack::dtype)
      .def_prop_ro("device", &Dlpack::device);
  nb::class_<DeviceMemory>(m, "DeviceMemory")
      .def_prop_ro("address", &DeviceMemory::address)
      .def("write", &DeviceMemory::write, nb::arg("array"))
      .def("read", &DeviceMemory::read, nb::arg("array"))
      .def(
          "export",
          [](nb::handle self, std::vector<int64_t> shape, int code, int bits, int device) {
            const DeviceMemory &memory = nb::cast<const DeviceMemory &>(self);
            std::vector<size_t> extents(shape.begin(), shape.end());
            nb::dlpack::dtype dtype = {uint8_t(code), uint8_t(bits), 1};
            return nb::ndarray<>(reinterpret_cast<void *>(memory.address()), extents.size(), extents.data(), self,
                                 nullptr, dtype, nb::device::cuda::value, device);
          },
          nb::arg("shape"), nb::arg("code"), nb::arg("bits"), nb::arg("device"),
          "A DLPack capsule that keeps the memory alive.");
  nb::class_<Session>(m, "Session")
      .def(nb::init<Model &, uint32_t, const std::optional<std::string> &, bool, const std::string &>(),
           nb::arg("model"), nb::arg("threads"), nb::arg("isa").none(), nb::arg("profile"), nb::arg("device"))
      .def_prop_ro("device", &Session::device)
      .def_prop_ro("device_name", &Session::deviceName)
      .def("allocate", &Session::allocate, nb::arg("bytes"), nb::rv_policy::take_ownership)
      .def("synchronize", &Session::synchronize)
      .def("placed_shapes", &Session::placedShapes, nb::arg("entry"), nb::arg("inputs"), nb::arg("output_count"))
      .def("run_on_stream", &Session::runOnStream, nb::arg("entry"), nb::arg("inputs"), nb::arg("outputs"),
           nb::arg("stream"))
      .def_prop_ro("isa", &Session::isa)
      .def_prop_ro("threads", &Session::threads)
      .def("output_shapes", &Session::outputShapes, nb::arg("entry"), nb::arg("inputs"), nb::arg("output_count"))
      .def("run", &Session::run, nb::arg("entry"), nb::arg("inputs"), nb::arg("outputs"))
      .def("self_check", &Session::selfCheck)
      .def("profile", &Session::profile, nb::arg("entry"));
}
