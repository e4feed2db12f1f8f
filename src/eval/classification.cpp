#include "llm/eval/classification.hpp"

namespace llm {
namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

void add_weighted(ClassScore& sum, const ClassScore& score, double weight) {
  sum.precision += weight * score.precision;
  sum.recall += weight * score.recall;
  sum.f1 += weight * score.f1;
}

}  // namespace

std::vector<ClassCounts> class_counts(const ConfusionMatrix& matrix) {
  std::vector<ClassCounts> classes(matrix.labels.size());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    classes[i].right = matrix.counts[i][i];
    for (std::size_t j = 0; j < classes.size(); ++j) {
      classes[i].references += matrix.counts[i][j];
      classes[i].predictions += matrix.counts[j][i];
    }
  }
  return classes;
}

ClassScore class_score(const ClassCounts& counts) {
  return {share(counts.right, counts.predictions), share(counts.right, counts.references),
          share(2 * counts.right, counts.references + counts.predictions)};
}

ClassAverages class_averages(std::span<const ClassCounts> classes) {
  ClassCounts sum;
  for (const ClassCounts& counts : classes) {
    sum.right += counts.right;
    sum.references += counts.references;
    sum.predictions += counts.predictions;
  }
  ClassAverages averages;
  averages.micro = class_score(sum);
  for (const ClassCounts& counts : classes) {
    const ClassScore score = class_score(counts);
    add_weighted(averages.macro, score, 1.0 / static_cast<double>(classes.size()));
    add_weighted(averages.weighted, score, share(counts.references, sum.references));
  }
  return averages;
}

}  // namespace llm
