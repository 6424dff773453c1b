# Finds MLIR 22.1 from the distribution's packages and prepares its CMake helpers for use outside the LLVM tree.
find_program(LLVM_CONFIG_22 NAMES llvm-config-22 HINTS /usr/lib/llvm-22/bin)
if(NOT LLVM_CONFIG_22)
  message(FATAL_ERROR "llvm-config-22 was not found: install libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools (./quickstart does), or configure with -DBITWRIGHT_BUILD_COMPILER=OFF for the runtime alone")
endif()
execute_process(COMMAND ${LLVM_CONFIG_22} --prefix OUTPUT_VARIABLE BITWRIGHT_LLVM_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE)
# `22` alone is rejected by the package's version file.
find_package(MLIR 22.1 REQUIRED CONFIG HINTS ${BITWRIGHT_LLVM_PREFIX}/lib/cmake/mlir)
# The package does not export this; without it the static archives are mixed with libMLIR.so (duplicate registrations).
set(MLIR_LINK_MLIR_DYLIB ON)
set(LLVM_LINK_LLVM_DYLIB ON)
set(LLVM_RUNTIME_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/bin)
set(LLVM_LIBRARY_OUTPUT_INTDIR ${CMAKE_BINARY_DIR}/lib)
set(MLIR_BINARY_DIR ${CMAKE_BINARY_DIR})
set(LLVM_EXTERNAL_LIT ${LLVM_TOOLS_BINARY_DIR}/lit)
list(APPEND CMAKE_MODULE_PATH ${MLIR_CMAKE_DIR} ${LLVM_CMAKE_DIR})
separate_arguments(LLVM_DEFINITIONS_LIST NATIVE_COMMAND ${LLVM_DEFINITIONS})
add_definitions(${LLVM_DEFINITIONS_LIST})
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
# No exceptions in code that links LLVM; RTTI stays on as in the packages.
set(BITWRIGHT_MLIR_FLAGS -fno-exceptions)

# A precompiled header over the MLIR core: most translation units spend their time there.
add_library(bitwright_pch OBJECT ${CMAKE_SOURCE_DIR}/cmake/Pch.cpp)
target_compile_options(bitwright_pch PRIVATE ${BITWRIGHT_MLIR_FLAGS})
target_precompile_headers(bitwright_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/Pch.h)

# bitwright_library(NAME source... [DEPENDS target...] [LINK library...]): a static library of the compiler.
# MLIR itself is linked once, by bitwright_executable, through libMLIR.so.
function(bitwright_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  target_compile_options(${name} PRIVATE ${BITWRIGHT_MLIR_FLAGS})
  target_precompile_headers(${name} REUSE_FROM bitwright_pch)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  if(TARGET BitwrightDialectHeaders AND NOT name MATCHES "^BitwrightDialect")
    add_dependencies(${name} BitwrightDialectHeaders)
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# bitwright_executable(NAME source... [LINK library...]): links our libraries, libMLIR.so and libLLVM.so.
function(bitwright_executable name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  # Compiled like a library (-fPIC, not -fPIE), so that the precompiled header fits.
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${name} PRIVATE ${BITWRIGHT_MLIR_FLAGS} -fPIC)
  target_precompile_headers(${name} REUSE_FROM bitwright_pch)
  if(TARGET BitwrightDialectHeaders)
    add_dependencies(${name} BitwrightDialectHeaders)
  endif()
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  mlir_target_link_libraries(${name} PRIVATE MLIR)
  target_link_libraries(${name} PRIVATE LLVM)
endfunction()

# bitwright_pass(NAME [LINK library...]): the pass in the current folder: NAME.td, NAME.h, NAME.cpp.
# Everything about a pass lives in its folder; deleting the folder and its add_subdirectory line removes the pass.
set_property(GLOBAL PROPERTY BITWRIGHT_PASS_LIBRARIES)
set_property(GLOBAL PROPERTY BITWRIGHT_PASS_TDS)
add_custom_target(BitwrightPassHeaders)
function(bitwright_pass name)
  cmake_parse_arguments(ARG "" "" "LINK;SOURCES" ${ARGN})
  set(LLVM_TARGET_DEFINITIONS ${name}.td)
  mlir_tablegen(${name}.h.inc -gen-pass-decls -name ${name})
  add_public_tablegen_target(BitwrightPass${name}IncGen)
  add_dependencies(BitwrightPassHeaders BitwrightPass${name}IncGen)
  bitwright_library(BitwrightPass${name} ${name}.cpp ${ARG_SOURCES} DEPENDS BitwrightPass${name}IncGen LINK ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY BITWRIGHT_PASS_LIBRARIES BitwrightPass${name})
  set_property(GLOBAL APPEND PROPERTY BITWRIGHT_PASS_TDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.td)
endfunction()
