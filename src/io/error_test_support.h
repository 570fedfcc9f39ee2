// What the tests of errors share; no part of the library. Apart from test_support.h, which the tests of the C++ API
// include: their bitmar::Error is another.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace bitmar::testing {

// `result` is an error whose message starts with the file's name, or how it begins, and says `part`.
template <typename T>
void expect_error(const Result<T>& result, ErrorCode code, std::string_view part, std::string_view file = "test.") {
  ASSERT_FALSE(result) << "expected an error with: " << part;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
  EXPECT_TRUE(result.error().message.starts_with(file)) << result.error().message;
}

}  // namespace bitmar::testing
