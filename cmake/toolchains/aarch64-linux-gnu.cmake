# 64-bit ARM: `make test-arm`.
set(BITMAR_TRIPLE aarch64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake)
# Plain ARMv8, and all that the emulator has (dot products, i8mm).
set(BITMAR_EMULATED_CPUS cortex-a53 max)
