// Values to places on a picture, with ticks at round values.
//
//   const Axis steps = Axis::linear({0, 15500}, {40, 390}, 5, Ends::kAsGiven);
//   steps.place(7750);                                            // 215
//   steps.ticks();                                                // 0, 5 k, 10 k, 15 k
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "eval/report/series.h"

namespace bitmar::report {

struct Tick {
  double value;
  std::string label;
};

enum class Ends {
  kAsGiven,  // the axis shows the range of the data
  kRound,    // widened to the ticks around it
};

class Axis {
 public:
  // About `ticks` of them. `places`: where low and high stand, in the picture's units; high may be the smaller number.
  // A range of one value is widened around it.
  static Axis linear(Range data, Range places, std::size_t ticks, Ends ends);
  // The same on a logarithmic scale; `data` must be above 0.
  static Axis logarithmic(Range data, Range places, std::size_t ticks);

  [[nodiscard]] double place(double value) const;
  [[nodiscard]] const std::vector<Tick>& ticks() const { return ticks_; }
  [[nodiscard]] Range range() const { return range_; }

 private:
  Axis(Range range, Range places, bool logarithmic) : range_(range), places_(places), logarithmic_(logarithmic) {}

  Range range_;
  Range places_;
  bool logarithmic_;
  std::vector<Tick> ticks_;
};

}  // namespace bitmar::report
