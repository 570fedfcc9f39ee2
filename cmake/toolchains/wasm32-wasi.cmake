# WebAssembly with SIMD128 and WASI, by Zig's clang and libc++: `make test-wasm`. Programs run under node. No threads, no
# exceptions, no binaries of other libraries: BITMAR_CORE_ONLY.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
set(zig ${root}/.cross/venv/bin/python-zig)
set(target -target wasm32-wasi)
set(CMAKE_C_COMPILER ${zig} cc ${target})
set(CMAKE_CXX_COMPILER ${zig} c++ ${target})
# Archives too are made by a subcommand of Zig.
set(CMAKE_AR ${zig})
foreach(language C CXX)
  set(CMAKE_${language}_ARCHIVE_CREATE "<CMAKE_AR> ar qc <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_APPEND "<CMAKE_AR> ar q <TARGET> <OBJECTS>")
  set(CMAKE_${language}_ARCHIVE_FINISH "<CMAKE_AR> ranlib <TARGET>")
  # Files are read whole where there is no memory mapping: wasi-libc's emulation.
  set(CMAKE_${language}_FLAGS_INIT "-msimd128 -fno-exceptions -D_WASI_EMULATED_MMAN -D_WASI_EMULATED_GETPID")
  set(CMAKE_EXECUTABLE_SUFFIX_${language} .wasm)
endforeach()
set(CMAKE_EXE_LINKER_FLAGS_INIT "-lwasi-emulated-mman -lwasi-emulated-getpid")
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
set(CMAKE_CROSSCOMPILING_EMULATOR node --no-warnings ${root}/tests/wasm/run.mjs)

set(CMAKE_FIND_ROOT_PATH ${root}/.cross/wasm32-wasi)
foreach(mode LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${mode} ONLY)
endforeach()
