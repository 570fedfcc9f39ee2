# 64-bit ARM: `make test-arm`.
set(BITMAR_TRIPLE aarch64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/debian-cross.cmake)
