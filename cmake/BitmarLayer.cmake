# Layers are static libraries named bitmar_<layer>; unit tests stand beside the code as <file>_test.cpp.

add_library(bitmar_options INTERFACE)
target_include_directories(bitmar_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_compile_options(bitmar_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion $<$<BOOL:${BITMAR_WERROR}>:-Werror>
  $<$<BOOL:${BITMAR_SANITIZE}>:-fsanitize=address,undefined;-fno-sanitize-recover=all;-fno-omit-frame-pointer>
  -ffp-contract=off)
target_link_options(bitmar_options INTERFACE $<$<BOOL:${BITMAR_SANITIZE}>:-fsanitize=address,undefined>)

# bitmar_hot(TARGET...): code that computes for most of a program's time. It is optimised in every build, whatever the
# preset has for the rest, whose compilation would take the longer.
function(bitmar_hot)
  foreach(target IN LISTS ARGN)
    target_compile_options(${target} PRIVATE $<IF:$<CONFIG:Debug>,-O1,-O3>)
  endforeach()
endfunction()

# bitmar_unity(TARGET...): with BITMAR_UNITY the sources of a target are compiled sixteen at a time. Most of what a file
# costs is the same in all of them: headers, and the templates of CLI11, JSON and torch that each compiles anew. Names in
# anonymous namespaces must therefore differ within a target.
function(bitmar_unity)
  set_target_properties(${ARGN} PROPERTIES UNITY_BUILD ${BITMAR_UNITY} UNITY_BUILD_BATCH_SIZE 16)
  if(BITMAR_UNITY)
    # GCC takes an included source for a header, where a class must not have members of anonymous namespaces' types.
    foreach(target IN LISTS ARGN)
      target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
    endforeach()
  endif()
endfunction()

# Owns the precompiled GoogleTest of all tests.
if(BITMAR_TESTS AND NOT BITMAR_CORE_ONLY)
  find_package(GTest REQUIRED)
  file(WRITE ${PROJECT_BINARY_DIR}/test_headers.cpp "int main() {}\n")
  add_executable(bitmar_test_headers ${PROJECT_BINARY_DIR}/test_headers.cpp)
  target_link_libraries(bitmar_test_headers PRIVATE bitmar_options GTest::gmock)
  target_precompile_headers(bitmar_test_headers PRIVATE <gmock/gmock.h>)
endif()

# bitmar_test(NAME SOURCES LIBS...): one gtest executable, registered with CTest. The tests find the sources by
# BITMAR_SOURCE_DIR. bitmar_test_executable: the same without the precompiled GoogleTest.
function(bitmar_test_executable name sources)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE bitmar_options ${ARGN} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE BITMAR_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
endfunction()

function(bitmar_test name sources)
  bitmar_test_executable(${name} "${sources}" ${ARGN})
  if(TARGET bitmar_test_headers)
    target_precompile_headers(${name} REUSE_FROM bitmar_test_headers)
  endif()
endfunction()

# bitmar_layer(NAME [HOT] [TESTS_APART] [DEPENDS layer...] [LIBRARIES target...] [TEST_LIBRARIES target...]
#   [EXCLUDE file...]):
# the static library bitmar_<NAME> of every .cpp in the current folder (not below it), and one test executable per
# *_test.cpp, <NAME>_<file>; with BITMAR_UNITY a single one of all, <NAME>_tests, but for TESTS_APART. With
# BITMAR_TESTS_HOT only layers that are HOT (bitmar_hot) have tests.
function(bitmar_layer layer)
  cmake_parse_arguments(LAYER "HOT;TESTS_APART" "" "DEPENDS;LIBRARIES;TEST_LIBRARIES;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  foreach(excluded IN LISTS LAYER_EXCLUDE)
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${excluded})
    list(REMOVE_ITEM tests ${CMAKE_CURRENT_SOURCE_DIR}/${excluded})
  endforeach()
  list(TRANSFORM LAYER_DEPENDS PREPEND bitmar_)
  if(sources)
    add_library(bitmar_${layer} STATIC ${sources})
    target_link_libraries(bitmar_${layer} PUBLIC bitmar_options ${LAYER_DEPENDS} ${LAYER_LIBRARIES})
    bitmar_unity(bitmar_${layer})
    if(LAYER_HOT)
      bitmar_hot(bitmar_${layer})
    endif()
  else()
    add_library(bitmar_${layer} INTERFACE)
    target_link_libraries(bitmar_${layer} INTERFACE bitmar_options ${LAYER_DEPENDS} ${LAYER_LIBRARIES})
  endif()
  if(NOT BITMAR_TESTS OR (BITMAR_TESTS_HOT AND NOT LAYER_HOT))
    return()
  endif()
  list(LENGTH tests test_count)
  if(BITMAR_UNITY AND test_count GREATER 1 AND NOT LAYER_TESTS_APART)
    bitmar_test(${layer}_tests "${tests}" bitmar_${layer} ${LAYER_TEST_LIBRARIES})
    bitmar_unity(${layer}_tests)
  else()
    foreach(test IN LISTS tests)
      get_filename_component(name ${test} NAME_WE)
      bitmar_test(${layer}_${name} ${test} bitmar_${layer} ${LAYER_TEST_LIBRARIES})
    endforeach()
  endif()
endfunction()
