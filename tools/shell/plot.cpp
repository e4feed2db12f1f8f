// The picture: frame, scales and marks. Its colors can be read on white and on black.
#include "shell/plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "llm/core/error.hpp"
#include "shell/eval_report.hpp"

namespace llm::shell {
namespace {

// In pixels: the picture, the frame of the curve in it, and what labels of the axis below need.
constexpr double picture_width = 640, picture_height = 400;
constexpr double frame_left = 70, frame_right = 610, frame_top = 50, frame_bottom = 340;
constexpr double least_gap = 26;

struct PlotPoint {
  std::string label;
  double place = 0;  // across, in pixels
  Estimate estimate;
};

std::string svg_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", value);
  return text;
}

std::string svg_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&' || c == '"') {
      out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : "&quot;";
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;  // XML has no control characters
    }
  }
  return out;
}

// The smallest of 1, 2, 5, 10, ... times `unit` that is not below `value`.
double round_above(double value, double unit) {
  for (double tens = unit;; tens *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if (tens * factor >= value * (1 - 1e-9)) return tens * factor;
}

// Numbers in proportion, unless some would be too close together.
void place_points(const EvalSummary& summary, std::vector<PlotPoint>& points,
                  const std::vector<OrderedJson>& values) {
  const auto count = static_cast<double>(points.size());
  for (std::size_t i = 0; i < points.size(); ++i)
    points[i].place =
        frame_left + (frame_right - frame_left) * (static_cast<double>(i) + 0.5) / count;
  if (points.size() < 2 || summary.by.empty()) return;
  std::vector<double> places;
  for (const OrderedJson& value : values) {
    if (!value.is_number()) return;
    places.push_back(value.get<double>());
  }
  const double first = places.front(), span = places.back() - first;
  constexpr double inset = 30;
  for (double& place : places)
    place = frame_left + inset + (frame_right - frame_left - 2 * inset) * (place - first) / span;
  for (std::size_t i = 1; i < places.size(); ++i)
    if (!(places[i] - places[i - 1] >= least_gap)) return;
  for (std::size_t i = 0; i < points.size(); ++i) points[i].place = places[i];
}

std::vector<PlotPoint> points_of(const EvalSummary& summary) {
  std::vector<PlotPoint> points;
  std::vector<OrderedJson> values;
  for (const EvalSummary::Group& group : summary.groups) {
    const Estimate& estimate = group.report.metrics[0].estimate;
    if (std::isnan(estimate.value)) continue;
    const std::string label = group.value.is_string() ? group.value.get<std::string>()
                              : group.value.is_null() ? "all rows"
                                                      : dump(group.value);
    points.push_back({label, 0, estimate});
    values.push_back(group.value);
  }
  place_points(summary, points, values);
  return points;
}

class Drawing {
 public:
  void line(double x1, double y1, double x2, double y2, const char* kind) {
    svg_ += "<line class=\"" + std::string(kind) + "\" x1=\"" + svg_number(x1) + "\" y1=\"" +
            svg_number(y1) + "\" x2=\"" + svg_number(x2) + "\" y2=\"" + svg_number(y2) + "\"/>\n";
  }
  void text(double x, double y, const char* anchor, const std::string& what,
            const char* more = "") {
    svg_ += "<text x=\"" + svg_number(x) + "\" y=\"" + svg_number(y) + "\" text-anchor=\"" +
            anchor + "\"" + more + ">" + svg_text(what) + "</text>\n";
  }
  void add(const std::string& element) { svg_ += element + "\n"; }
  std::string finish() const {
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + svg_number(picture_width) +
           "\" height=\"" + svg_number(picture_height) + "\" viewBox=\"0 0 " +
           svg_number(picture_width) + " " + svg_number(picture_height) +
           "\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#808080\">\n"
           "<style>.axis{stroke:#808080}.grid{stroke:#808080;stroke-opacity:.3}"
           ".mark{stroke:#2b83ba;stroke-width:2}</style>\n" +
           svg_ + "</svg>\n";
  }

 private:
  std::string svg_;
};

void draw_frame(const EvalSummary& summary, double most, Drawing& drawing) {
  const Metric metric = summary.options.metrics[0];
  const std::string name(to_string(metric));
  char about[80];
  std::snprintf(about, sizeof about, "%llu rows, %g%% intervals",
                static_cast<unsigned long long>(summary.rows()), summary.options.confidence * 100);
  drawing.text(frame_left, 24, "start", name + (summary.by.empty() ? "" : " by " + summary.by),
               " font-size=\"16\"");
  drawing.text(frame_right, 24, "end", about);
  constexpr int steps = 5;
  for (int i = 0; i <= steps; ++i) {
    const double y = frame_bottom - (frame_bottom - frame_top) * i / steps;
    drawing.line(frame_left, y, frame_right, y, i == 0 ? "axis" : "grid");
    drawing.text(frame_left - 8, y + 4, "end", svg_number(most * i / steps));
  }
  drawing.line(frame_left, frame_top, frame_left, frame_bottom, "axis");
  if (!summary.by.empty())
    drawing.text((frame_left + frame_right) / 2, picture_height - 12, "middle", summary.by);
}

void draw_points(const std::vector<PlotPoint>& points, Metric metric, double most,
                 Drawing& drawing) {
  const auto up = [most](double value) {
    return frame_bottom - (frame_bottom - frame_top) * value / most;
  };
  std::string path;
  for (const PlotPoint& point : points)
    path += (path.empty() ? "" : " ") + svg_number(point.place) + "," +
            svg_number(up(point.estimate.value));
  if (points.size() > 1)
    drawing.add("<polyline class=\"mark\" fill=\"none\" points=\"" + path + "\"/>");
  constexpr double cap = 5;
  constexpr std::size_t most_values = 12;  // more cannot be read beside their points
  const double room = (frame_right - frame_left) / static_cast<double>(points.size());
  const auto labels_apart = static_cast<std::size_t>(std::ceil(std::max(1.0, least_gap / room)));
  for (std::size_t i = 0; i < points.size(); ++i) {
    const PlotPoint& point = points[i];
    if (const auto& interval = point.estimate.interval) {
      drawing.line(point.place, up(interval->low), point.place, up(interval->high), "mark");
      for (const double end : {interval->low, interval->high})
        drawing.line(point.place - cap, up(end), point.place + cap, up(end), "mark");
    }
    const double y = up(point.estimate.value);
    drawing.add("<circle cx=\"" + svg_number(point.place) + "\" cy=\"" + svg_number(y) +
                "\" r=\"4\" fill=\"#2b83ba\"/>");
    if (points.size() <= most_values)
      drawing.text(point.place + 8, y - 6, "start", metric_text(metric, point.estimate.value),
                   " font-size=\"11\"");
    if (i % labels_apart == 0) drawing.text(point.place, frame_bottom + 18, "middle", point.label);
  }
}

}  // namespace

std::string plot_svg(const EvalSummary& summary) {
  const Metric metric = summary.options.metrics[0];
  const std::vector<PlotPoint> points = points_of(summary);
  if (points.empty())
    throw Error(ErrorCode::invalid_input,
                "there is nothing to draw: no row has a value of " + std::string(to_string(metric)),
                "--plot");
  double high = 0;
  for (const PlotPoint& point : points)
    high = std::max({high, point.estimate.value,
                     point.estimate.interval ? point.estimate.interval->high : 0.0});
  const double most = round_above(high, metric == Metric::bleu ? 1.0 : 0.1);
  Drawing drawing;
  draw_frame(summary, most, drawing);
  draw_points(points, metric, most, drawing);
  return drawing.finish();
}

}  // namespace llm::shell
