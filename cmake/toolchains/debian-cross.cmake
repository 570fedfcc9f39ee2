# What the Debian cross toolchains share. BITMAR_TRIPLE names the target; its libraries come from .cross/<triple>, which
# scripts/setup-cross.sh unpacks, and the programs run under qemu's user-mode emulation.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR ${BITMAR_TRIPLE})
set(CMAKE_C_COMPILER ${BITMAR_TRIPLE}-gcc)
set(CMAKE_CXX_COMPILER ${BITMAR_TRIPLE}-g++)

get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/../../.cross/${BITMAR_TRIPLE} ABSOLUTE)
set(CMAKE_FIND_ROOT_PATH ${root} /usr/${BITMAR_TRIPLE})
set(CMAKE_LIBRARY_ARCHITECTURE ${BITMAR_TRIPLE})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
foreach(mode LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${mode} ONLY)
endforeach()
set(ENV{PKG_CONFIG_DIR} "")
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${root})
set(ENV{PKG_CONFIG_LIBDIR} ${root}/usr/lib/${BITMAR_TRIPLE}/pkgconfig:${root}/usr/share/pkgconfig)

# For the libraries that these libraries need, at link time and at run time.
set(folders ${root}/usr/lib/${BITMAR_TRIPLE}:${root}/lib/${BITMAR_TRIPLE})
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_INIT "-isystem ${root}/usr/include/${BITMAR_TRIPLE}")
endforeach()
foreach(kind EXE SHARED)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT -Wl,-rpath-link,${folders})
endforeach()
set(CMAKE_CROSSCOMPILING_EMULATOR
  qemu-${CMAKE_SYSTEM_PROCESSOR}-static -L /usr/${BITMAR_TRIPLE} -E LD_LIBRARY_PATH=${folders})
