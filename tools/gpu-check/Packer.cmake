# Included from tools/CMakeLists.txt, where the compiler's libraries are known; the runner beside it needs none of them.
set(HERE ${CMAKE_CURRENT_LIST_DIR})
bitwright_executable(gpu-check ${HERE}/gpu-check.cpp ${HERE}/Cases.cpp ${HERE}/CaseData.cpp ${HERE}/Interpreted.cpp LINK BitwrightTargetNvptx BitwrightReferenceKernel)
add_dependencies(gpu-check gpu-check-run)
