// HellaSwag's texts as lm-evaluation-harness prepares them (its tasks/hellaswag/utils.py).
#pragma once

#include <string>
#include <string_view>

namespace bitmar {

// Python's str.capitalize() of ASCII letters; others stay as they are.
[[nodiscard]] std::string capitalize(std::string_view text);

// Without surrounding blanks, " [title]" as ". ", other bracketed remarks gone, and pairs of blanks halved once.
[[nodiscard]] std::string clean_hellaswag(std::string_view text);

}  // namespace bitmar
