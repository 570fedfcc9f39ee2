# `cmake --install`: libbitmar, its headers, a pkg-config file and a CMake package (find_package(bitmar); bitmar::bitmar).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS bitmar_shared EXPORT bitmarTargets COMPONENT library
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_COMPONENT library)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/bitmar DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/bitmar)
install(EXPORT bitmarTargets NAMESPACE bitmar:: FILE bitmarConfig.cmake DESTINATION ${package} COMPONENT library)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bitmarConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bitmarConfigVersion.cmake DESTINATION ${package} COMPONENT library)

# The prefix is found from the file's own place, so that an installation can be moved, and `--prefix` be given late.
file(RELATIVE_PATH prefix_of_pkgconfig /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" prefix_of_pkgconfig "${prefix_of_pkgconfig}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/bitmar.pc.in ${PROJECT_BINARY_DIR}/bitmar.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/bitmar.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT library)
