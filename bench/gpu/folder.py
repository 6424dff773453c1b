"""Kernels of a folder written by quant-tune: loading, packing of constants, launching. Needs torch and cuda-python.

The format of `manifest.txt` is described in lib/Target/Nvptx/KernelFolder.h."""
import ctypes
import hashlib
import math
import os
from dataclasses import dataclass, field

import torch
from cuda.bindings import driver

DEVICE = "cuda"


def check(result):
    """The value of a driver call, or an exception with the driver's name for the error."""
    if int(result[0]):
        raise RuntimeError(str(result[0]))
    return result[1] if len(result) == 2 else result[1:]


@dataclass
class Packing:
    rows: int
    columns: int
    bits: int
    bias: int
    fill: int
    order: str
    pitch: int
    row_basis: list
    column_basis: list

    @staticmethod
    def parse(words):
        basis = lambda text: [] if text == "-" else [int(x) for x in text.split(",")]
        return Packing(*map(int, words[:5]), words[5], int(words[6]), basis(words[7]), basis(words[8]))

    @property
    def tile(self):
        return 1 << len(self.row_basis), 1 << len(self.column_basis)

    @property
    def padded(self):
        """Rows and columns with the padding to whole tiles."""
        return tuple(math.ceil(n / t) * t for n, t in zip((self.rows, self.columns), self.tile))

    def elements(self):
        return self.padded[0] * (self.pitch if self.order == "pitched" else self.padded[1])

    def index(self):
        """Stored index of every element of the padded matrix: int64, padded rows x padded columns."""
        height, width = self.tile
        rows, columns = (torch.arange(n, device=DEVICE) for n in self.padded)

        def combine(value, basis):
            result = torch.zeros_like(value)
            for i, b in enumerate(basis):
                result ^= torch.where((value >> i & 1).bool(), b, 0)
            return result

        position = combine(rows % height, self.row_basis)[:, None] ^ combine(columns % width, self.column_basis)[None]
        if self.order == "pitched":
            row = (rows // height * height)[:, None] + position // width
            return row * self.pitch + (columns // width * width)[None] + position % width
        tile = (rows // height * (self.padded[1] // width))[:, None] + (columns // width)[None]
        return tile * (height * width) + position

    def pack(self, values):
        """Bytes that the kernel reads. values: rows x columns, integers, or floats of `bits` bits (bias 0)."""
        if values.is_floating_point():
            values = values.contiguous().view({16: torch.int16, 32: torch.int32}[self.bits])
        kind = {4: torch.uint8, 8: torch.int8, 16: torch.int16, 32: torch.int32}[self.bits]
        full = torch.full(self.padded, self.fill, dtype=torch.int32, device=DEVICE)
        full[: self.rows, : self.columns] = values.to(torch.int32) + self.bias
        flat = torch.full((self.elements(),), self.fill, dtype=torch.int32, device=DEVICE)
        index = self.index().reshape(-1)
        inside = index < flat.numel()  # pitched: padding columns beyond the pitch are not stored
        flat[index[inside]] = full.reshape(-1)[inside]
        if self.bits == 4:
            flat = (flat & 15).to(torch.uint8)
            return (flat[0::2] | flat[1::2] << 4).contiguous()
        return flat.to(kind).contiguous().view(torch.uint8)


@dataclass
class Parameter:
    role: str
    index: int
    form: str
    map: list = None
    packing: Packing = None


@dataclass
class Kernel:
    symbol: str
    folder: str
    tag: str = ""
    signature: str = ""
    schedule: str = ""
    parameters: list = field(default_factory=list)
    segments: list = field(default_factory=list)
    operands: list = field(default_factory=list)
    results: list = field(default_factory=list)
    quantize: bool = False
    registers: int = 0

    def load(self):
        module = check(driver.cuModuleLoadData(open(os.path.join(self.folder, self.file), "rb").read()))
        self.function = check(driver.cuModuleGetFunction(module, self.symbol.encode()))
        check(driver.cuFuncSetAttribute(self.function, driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, self.shared))
        sms = torch.cuda.get_device_properties(0).multi_processor_count
        self.resident = sms // self.cluster * self.cluster
        if self.persistent and self.cluster > 1:
            config = self.config(self.resident, 1, [])
            attribute = driver.CUlaunchAttribute()
            attribute.id = driver.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION
            attribute.value.clusterDim.x, attribute.value.clusterDim.y, attribute.value.clusterDim.z = self.cluster, 1, 1
            config.attrs, config.numAttrs = [attribute], 1
            self.resident = check(driver.cuOccupancyMaxActiveClusters(self.function, config)) * self.cluster

    def digest(self):
        """SHA-256 of the code, the first 16 digits."""
        return hashlib.sha256(open(os.path.join(self.folder, self.file), "rb").read()).hexdigest()[:16]

    def config(self, x, y, attributes):
        config = driver.CUlaunchConfig()
        config.gridDimX, config.gridDimY, config.gridDimZ = x, y, 1
        config.blockDimX, config.blockDimY, config.blockDimZ = self.threads, 1, 1
        config.sharedMemBytes = self.shared
        config.hStream = torch.cuda.current_stream().cuda_stream
        config.attrs, config.numAttrs = attributes, len(attributes)
        return config

    def field(self, name, default=0):
        """A field of the schedule."""
        for part in self.schedule.strip("#kernel.schedule<>").split(","):
            key, _, value = part.partition("=")
            if key.strip() == name:
                return value.strip().strip('"')
        return default

    def serves(self, m):
        high = int(self.field("m_hi"))
        return int(self.field("m_lo", 1)) <= m and (high == 0 or m <= high)

    def constants(self, sources):
        """Packed constants by (role, index); `sources` maps the same keys to matrices."""
        return {(p.role, p.index): p.packing.pack(sources[p.role, p.index]) for p in self.parameters if p.packing}

    def call(self, m, lhs, constants, operands, results):
        """A closure that launches on the current stream. lhs: M x K; operands and results: tensors in order."""
        holders = []
        for p in self.parameters:
            if p.role == "m":
                holders.append(ctypes.c_int32(m))
                continue
            tensor = (constants[p.role, p.index] if p.packing else lhs if p.role == "lhs" else
                      operands[p.index] if p.role == "operand" else results[p.index])
            holders.append(self.encode(p, tensor, m) if p.form == "map" else ctypes.c_uint64(tensor.data_ptr()))
        array = (ctypes.c_void_p * len(holders))(*[ctypes.addressof(h) for h in holders])
        x, y = (evaluate(words, m) for words in self.grid)
        if self.persistent:
            x = min(x, self.resident)
        attributes = []
        if self.pdl:
            attribute = driver.CUlaunchAttribute()
            attribute.id = driver.CUlaunchAttributeID.CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION
            attribute.value.programmaticStreamSerializationAllowed = 1
            attributes = [attribute]
        keep = (holders, lhs, constants, operands, results)
        return lambda keep=keep: check(driver.cuLaunchKernelEx(self.config(x, y, attributes), self.function, ctypes.addressof(array), 0))

    def encode(self, p, tensor, m):
        """The tensor map of a parameter as 128 bytes, 64-byte aligned."""
        bits, rank, columns, rows, blocks, swizzle = p.map
        size = bits // 8
        if p.packing:
            height, width = p.packing.padded[0], p.packing.pitch or p.packing.padded[1]
        else:
            height, width = m, self.k
        u64, u32 = driver.cuuint64_t, driver.cuuint32_t
        if rank == 2:
            dims, strides, box = [width, height], [width * size], [columns, rows]
        else:
            dims, strides, box = [columns, height, math.ceil(width / columns)], [width * size, columns * size], [columns, rows, blocks]
        types = driver.CUtensorMapDataType
        encoded = check(driver.cuTensorMapEncodeTiled(
            types.CU_TENSOR_MAP_DATA_TYPE_UINT8 if bits == 8 else types.CU_TENSOR_MAP_DATA_TYPE_UINT16, rank, tensor.data_ptr(),
            [u64(d) for d in dims], [u64(s) for s in strides], [u32(b) for b in box], [u32(1)] * rank,
            driver.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE,
            driver.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_128B if swizzle else driver.CUtensorMapSwizzle.CU_TENSOR_MAP_SWIZZLE_NONE,
            driver.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
            driver.CUtensorMapFloatOOBfill.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE))
        buffer = (ctypes.c_char * 192)()
        aligned = (ctypes.addressof(buffer) + 63) & ~63
        ctypes.memmove(aligned, encoded.getPtr(), 128)
        view = (ctypes.c_char * 128).from_address(aligned)
        view.keep = buffer
        return view


def evaluate(words, m):
    """A postfix expression over M (KernelFolder.h)."""
    stack = []
    operations = {"+": lambda a, b: a + b, "*": lambda a, b: a * b, "/": lambda a, b: a // b, "^": lambda a, b: -(-a // b), "%": lambda a, b: a % b}
    for word in words:
        if word in operations:
            b, a = stack.pop(), stack.pop()
            stack.append(operations[word](a, b))
        else:
            stack.append(m if word == "M" else int(word))
    return stack[0]


def read(folder):
    """All kernels of a folder (not loaded yet)."""
    kernels, kernel = [], None
    for line in open(os.path.join(folder, "manifest.txt")):
        key, _, rest = line.strip().partition(" ")
        words = rest.split()
        if key == "kernel":
            kernel = Kernel(rest, folder)
        elif key in ("tag", "schedule", "signature"):
            setattr(kernel, key, rest)
        elif key == "code":
            kernel.file, kernel.arch = words
        elif key == "launch":
            kernel.threads, kernel.shared, kernel.cluster, kernel.pdl, kernel.persistent = map(int, words)
        elif key == "grid":
            x, y = rest.split("|")
            kernel.grid = x.split(), y.split()
        elif key == "size":
            kernel.n, kernel.k = map(int, words)
        elif key == "segment":
            kernel.segments.append(words)
        elif key == "operand":
            kernel.operands.append(words)
        elif key == "result":
            kernel.results.append(rest)
        elif key == "quantize":
            kernel.quantize = True
        elif key == "parameter":
            kernel.parameters.append(Parameter(words[0], int(words[1]), words[2]))
        elif key == "map":
            kernel.parameters[-1].map = list(map(int, words))
        elif key == "packing":
            kernel.parameters[-1].packing = Packing.parse(words)
        elif key == "resources":
            kernel.registers = int(words[0])
        elif key == "end":
            kernels.append(kernel)
    return kernels
