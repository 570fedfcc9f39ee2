// What the tests that run on every instruction set share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "kernels/kernels.h"

namespace bitmar {

// A table's name as part of a test's, which may hold no hyphens.
inline std::string isa_test_name(const ::testing::TestParamInfo<const Kernels*>& kernels) {
  std::string name = kernels.param->name;
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace bitmar
