# BITMAR_CORE_ONLY: for targets without the libraries' binaries. fmt and nlohmann-json serve as headers alone, GoogleTest
# is built from its sources. The build machine's own copies do: links to them stand in a folder of their own, since a
# cross compiler must not search /usr/include.
set(headers ${PROJECT_BINARY_DIR}/headers)
find_path(BITMAR_HOST_HEADERS NAMES fmt/format.h PATHS /usr/include /usr/local/include NO_DEFAULT_PATH
  NO_CMAKE_FIND_ROOT_PATH REQUIRED)
file(MAKE_DIRECTORY ${headers})
foreach(library fmt nlohmann)
  file(CREATE_LINK ${BITMAR_HOST_HEADERS}/${library} ${headers}/${library} SYMBOLIC)
endforeach()

foreach(target fmt::fmt nlohmann_json::nlohmann_json)
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_include_directories(${target} SYSTEM INTERFACE ${headers})
endforeach()
target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY)

if(BITMAR_TESTS)
  set(BITMAR_GOOGLETEST /usr/src/googletest CACHE PATH "GoogleTest's sources")
  add_library(bitmar_googletest STATIC ${BITMAR_GOOGLETEST}/googletest/src/gtest-all.cc
    ${BITMAR_GOOGLETEST}/googlemock/src/gmock-all.cc)
  foreach(library googletest googlemock)
    target_include_directories(bitmar_googletest SYSTEM PUBLIC ${BITMAR_GOOGLETEST}/${library}/include
      PRIVATE ${BITMAR_GOOGLETEST}/${library})
  endforeach()
  if(BITMAR_THREADS)
    find_package(Threads REQUIRED)
    target_link_libraries(bitmar_googletest PUBLIC Threads::Threads)
  else()
    target_compile_definitions(bitmar_googletest PUBLIC GTEST_HAS_PTHREAD=0 GTEST_HAS_STREAM_REDIRECTION=0
      GTEST_HAS_DEATH_TEST=0)
  endif()
  add_library(GTest::gmock ALIAS bitmar_googletest)
  # An object: WASI's start code refers to main() weakly, which does not fetch it from an archive.
  add_library(bitmar_googletest_main OBJECT ${BITMAR_GOOGLETEST}/googletest/src/gtest_main.cc)
  target_link_libraries(bitmar_googletest_main PUBLIC bitmar_googletest)
  add_library(GTest::gtest_main ALIAS bitmar_googletest_main)
endif()
