// The items of a multiple-choice task as its readers give them: prompts ready to score, and what groups they count in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "eval/scoring/continuation_scorer.h"

namespace bitmar {

struct ChoiceItem {
  std::string id;
  std::vector<Choice> choices;
  std::size_t gold = 0;
  std::shared_ptr<const std::string> preamble;  // before every context; null: none
  std::vector<std::uint32_t> groups;            // indices of ChoiceSet::groups; the first is the item's part
  std::vector<std::string> images;              // none, the item's, or one a choice; no preamble then
  std::optional<double> human_ratio;            // the share of people who chose the first choice
  bool alternatives = true;  // false: the choices are a word and maybe the one before it, of which none is chosen
};

struct ChoiceSet {
  std::vector<ChoiceItem> items;
  std::vector<std::string> groups;  // names
  std::vector<std::string> files;   // that the items come from

  // The index of the group of that name, which is added where it is new.
  std::uint32_t group(const std::string& name) {
    const auto [found, inserted] = group_index_.try_emplace(name, static_cast<std::uint32_t>(groups.size()));
    if (inserted) groups.push_back(name);
    return found->second;
  }

 private:
  std::unordered_map<std::string, std::uint32_t> group_index_;
};

}  // namespace bitmar
