// One figure of a report: a picture with its words.
#pragma once

#include <string>

#include "eval/report/svg.h"

namespace bitmar::report {

struct Figure {
  std::string id;           // of letters and dashes: the file's name, the anchor on the page
  std::string title;        // its heading
  std::string caption;      // how it was made, below it
  std::string description;  // what is to be seen, for those who do not see it
  Drawing drawing;
};

}  // namespace bitmar::report
