// Carries the precompiled header; see BitwrightMLIR.cmake.
