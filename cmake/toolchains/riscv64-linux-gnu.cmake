# 64-bit RISC-V: `make test-riscv`. Debian 12 has its compiler but not its libraries: BITMAR_CORE_ONLY.
set(BITMAR_TRIPLE riscv64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake)
